package incident

import "github.com/yagura-edr/yagura/internal/detection"

// Flags of a node.
const (
	FlagContext     = "context"      // an ancestor shown for orientation; it did not join
	FlagHub         = "hub"          // a program that serves many stories: none joins through it
	FlagNotObserved = "not_observed" // known only from what others said of it
	FlagRunning     = "before_start" // already ran when the sensor started
	FlagMemory      = "memory_file"  // ran from a file that exists in memory only
	FlagDeleted     = "deleted_file"
	FlagPrevented   = "prevented"
	FlagEntry       = "entry" // the entry route ends here
)

// Said is a sentence in both languages.
type Said = detection.Said

// Story is what the console, the CLI and reports draw of one incident (console.md §10).
type Story struct {
	Nodes     []Node    `json:"nodes"`
	Edges     []Edge    `json:"edges"`
	Answers   []Answer  `json:"answers"`
	Entry     Entry     `json:"entry"`
	Related   []Related `json:"related"`
	Folds     []Fold    `json:"folds"`
	Horizon   int64     `json:"horizon"` // µs UTC: nothing before it was seen on the story's hosts; 0: not known
	Holes     []Hole    `json:"holes"`
	Truncated bool      `json:"truncated"`
	LeftOut   LeftOut   `json:"left_out"`
}

// Node is one thing in the story. Ref is HOST/p-… for a process and an opaque id for the rest.
type Node struct {
	Ref         string         `json:"ref"`
	Kind        string         `json:"kind"`
	Label       string         `json:"label"`
	Labels      Said           `json:"labels"` // the label with its kind, in both languages
	Host        string         `json:"host"`
	HostName    string         `json:"host_name"`
	RowParent   string         `json:"row_parent"` // ref of the row above; empty for a first row
	Start       int64          `json:"start"`      // µs UTC; 0: not known
	End         int64          `json:"end"`        // µs UTC; 0: still there, or not known
	Flags       []string       `json:"flags"`
	Prevented   bool           `json:"prevented"`
	Score       int            `json:"score"` // 0..100
	Detections  []string       `json:"detections"`
	Counts      map[string]int `json:"counts"`
	CommandLine string         `json:"command_line"`
	Image       string         `json:"image"`
	User        string         `json:"user"`
	PID         uint64         `json:"pid"`
	Cwd         string         `json:"cwd"`
	SHA256      string         `json:"sha256"`
	Earlier     []string       `json:"earlier"` // command lines this process ran before its last exec
	Later       []string       `json:"later"`   // and those after what command_line shows
	EventIDs    []string       `json:"event_ids"`
}

// Edge joins two nodes and says why.
type Edge struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`
	From       string   `json:"from"`
	To         string   `json:"to"`
	EventIDs   []string `json:"event_ids"`
	Basis      string   `json:"basis"` // observed or inferred
	Confidence string   `json:"confidence"`
	Reason     Said     `json:"reason"`
	Time       int64    `json:"time"`
	Version    int      `json:"version"` // of the code that made it
}

// Answer is one of when, where, what, why, who, accounts, how.
type Answer struct {
	Answer    string     `json:"answer"`
	Sentences []Sentence `json:"sentences"`
}

// Sentence says one thing and cites the events it stands on. Unknown marks the proper answer "not
// known", which cites nothing.
type Sentence struct {
	Finding    string   `json:"-"` // what it states, in no language: ANSWER.STATEMENT (findingWords)
	Text       Said     `json:"text"`
	EventIDs   []string `json:"event_ids"`
	Edges      []string `json:"edges"`
	Basis      string   `json:"basis"`
	Confidence string   `json:"confidence"`
	Unknown    bool     `json:"unknown"`
}

// Entry is the way in, as far as events show it.
type Entry struct {
	Route        string        `json:"route"` // mail_link, link, attachment, download, exploited_service, logon, scheduled, removable, package, another_host, unknown
	Label        Said          `json:"label"`
	Weakness     Said          `json:"weakness"`
	Chain        []ChainStep   `json:"chain"`
	Steps        []ChainStep   `json:"steps"` // from host to host, in order of time
	Confidence   string        `json:"confidence"`
	Alternatives []Alternative `json:"alternatives"`
	Stopped      Stopped       `json:"stopped"`
}

// ChainStep is one event-backed step of the entry route, earliest first.
type ChainStep struct {
	Ref      string   `json:"ref"`
	Text     Said     `json:"text"`
	EventIDs []string `json:"event_ids"`
}

// Alternative is another route that the events would also allow.
type Alternative struct {
	Route      string   `json:"route"`
	Label      Said     `json:"label"`
	Confidence string   `json:"confidence"`
	EventIDs   []string `json:"event_ids"`
}

// Stopped says where the search backwards ended and why.
type Stopped struct {
	Where string `json:"where"`
	Why   Said   `json:"why"`
}

// Related is an incident or act that may belong but did not join.
type Related struct {
	Incident string   `json:"incident"`
	Reason   Said     `json:"reason"`
	EventIDs []string `json:"event_ids"`
}

// Fold is a number of nodes that a screen need not draw.
type Fold struct {
	Parent string `json:"parent"`
	Count  int    `json:"count"`
	Kind   string `json:"kind"`
	Reason Said   `json:"reason"`
}

// The kinds of fold.
const (
	FoldBeside = "beside" // started by the same program, no part of the story
	FoldOver   = "over"   // part of the story, not among its nodes
)

// LeftOut counts what is not among the nodes. Of processes, `yagura tree` with the parent of a fold shows them.
type LeftOut struct {
	Members int `json:"members"` // of the story, beyond what is shown
	Things  int `json:"things"`  // files, addresses and the like of the story, beyond what is shown
	Beside  int `json:"beside"`  // no part of it: started by a program that is
}

// Hole is a time in which a host of the story could not be fully seen.
type Hole struct {
	Host   string `json:"host"`
	Class  string `json:"class"`
	From   int64  `json:"from"`
	To     int64  `json:"to"` // 0: still open
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// Without gives the story as it reads when the named events are no longer stored: sentences that cite
// one of them go, and an answer that is left empty says unknown.
func (s Story) Without(gone map[string]bool) Story {
	if len(gone) == 0 {
		return s
	}
	out := s
	out.Answers = make([]Answer, 0, len(s.Answers))
	for _, a := range s.Answers {
		kept := Answer{Answer: a.Answer}
		lost := false
		for _, t := range a.Sentences {
			if anyOf(t.EventIDs, gone) {
				lost = true
				continue
			}
			kept.Sentences = append(kept.Sentences, t)
		}
		if lost && len(kept.Sentences) == 0 {
			kept.Sentences = []Sentence{noLongerStored()}
		}
		out.Answers = append(out.Answers, kept)
	}
	for _, c := range s.Entry.Chain {
		if anyOf(c.EventIDs, gone) {
			out.Entry = Entry{Route: unknownRouteName, Label: routeLabel(unknownRouteName), Stopped: Stopped{
				Where: c.Ref,
				Why:   Said{En: "an event of the chain is no longer stored", Ja: "経路の途中のイベントがもう保存されていない"},
			}}
			break
		}
	}
	out.Edges = nil
	for _, e := range s.Edges {
		if !anyOf(e.EventIDs, gone) {
			out.Edges = append(out.Edges, e)
		}
	}
	return out
}

func anyOf(ids []string, set map[string]bool) bool {
	for _, id := range ids {
		if set[id] {
			return true
		}
	}
	return false
}

func noLongerStored() Sentence {
	f := unknown("unknown.no-longer-stored")
	return new(builder).say(&f)
}

// Cited lists every event that a sentence or the entry route stands on, once, in order: whoever shows a
// kept story asks the store which of them are still there and gives the rest to Without.
func (s Story) Cited() []string {
	var out []string
	seen := map[string]bool{}
	add := func(ids []string) {
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				out = append(out, id)
			}
		}
	}
	for _, a := range s.Answers {
		for _, t := range a.Sentences {
			add(t.EventIDs)
		}
	}
	for _, c := range s.Entry.Chain {
		add(c.EventIDs)
	}
	return out
}
