package incident_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/incident"
)

var update = flag.Bool("update", false, "write what is told now into testdata/stories")

// TestStories plays each case and compares what the desk tells with what stands in the file; then it holds for each case
// what must hold for every story: no order of the lanes changes it, and no sentence stands without the events it cites.
func TestStories(t *testing.T) {
	t.Parallel()
	for _, file := range testFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := playedFrom(a)
			if err != nil {
				t.Fatal(err)
			}
			got, told, err := s.tell(-1, 1)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for i, f := range a.Files {
				if f.Name == "story" {
					want, a.Files = string(f.Data), slices.Delete(a.Files, i, i+1)
					break
				}
			}
			if want != got && *update {
				a.Files = append(a.Files, txtar.File{Name: "story", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if want != got {
				t.Fatalf("another story is told (run with -update when that is right, and read the difference):\n%s", difference(want, got))
			}
			if strings.Contains(string(a.Comment), "order matters:") {
				t.Log("the order of the lanes is not tried: the head of the file says why")
			} else {
				s.holdsInAnyOrder(t, got)
			}
			s.holdsByItsEvents(t, told)
		})
	}
}

// Each lane arrives in its order, one lane may be any time behind another: the story must not depend on it.
func (s *stage) holdsInAnyOrder(t *testing.T, want string) {
	t.Helper()
	for seed := range 40 {
		got, _, err := s.tell(seed, 1+seed*3)
		if err != nil {
			t.Fatal(err)
		}
		if sorted(got) != sorted(want) {
			t.Fatalf("order %d of the lanes tells another story:\n%s", seed, difference(want, got))
		}
	}
}

// holdsByItsEvents removes each event that a sentence cites: the sentence must go with it.
func (s *stage) holdsByItsEvents(t *testing.T, told []incident.Told) {
	t.Helper()
	for i := range told {
		by := map[string][]string{} // sentences by the events they cite
		for _, a := range told[i].Story.Answers {
			for _, x := range a.Sentences {
				if !x.Unknown && len(x.EventIDs) == 0 {
					t.Errorf("%s: %q cites nothing", a.Answer, x.Text.En)
				}
				if x.Text.Ja == "" {
					t.Errorf("%s: %q has no Japanese", a.Answer, x.Text.En)
				}
				for _, id := range x.EventIDs {
					by[id] = append(by[id], onHosts(x, x.Text.En), onHosts(x, x.Text.Ja))
				}
			}
		}
		for id, sentences := range by {
			less := slices.DeleteFunc(slices.Clone(s.events), func(e event.Stamped) bool { return e.ID.String() == id })
			rest, err := s.desk(less, 1_000_000)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rest {
				for _, a := range r.Story.Answers {
					for _, x := range a.Sentences {
						if slices.Contains(sentences, onHosts(x, x.Text.En)) || slices.Contains(sentences, onHosts(x, x.Text.Ja)) {
							t.Errorf("%s: %q stands without event %s that it cites", a.Answer, x.Text.En, id)
						}
					}
				}
			}
			for _, a := range told[i].Story.Without(map[string]bool{id: true}).Answers {
				if len(a.Sentences) == 0 {
					t.Errorf("%s is empty without %s; want it to say unknown", a.Answer, id)
				}
			}
		}
	}
}

// onHosts is a sentence with the hosts whose events it cites: two hosts may do the same at the same time.
func onHosts(x incident.Sentence, text string) string {
	for _, id := range x.EventIDs {
		host, _, _ := strings.Cut(id, "/")
		text += " " + host
	}
	return text
}

// What the cases are for: the words of each list stand in at least one story.
func TestStoriesCoverEveryEdgeRouteAndAnswer(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, file := range testFiles(t) {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(a.Files[len(a.Files)-1].Data)
	}
	unreached := []string{"when.unknown", "where.unknown", "how.unknown", "unknown.no-longer-stored"} // of stories whose events are gone
	braces := regexp.MustCompile(`\{[a-z]+\}`)
	for id, words := range incident.FindingIDs() {
		if !strings.Contains(all.String(), "  "+id+": ") && !slices.Contains(unreached, id) {
			t.Errorf("no case states %s", id)
		}
		en, ja := braces.FindAllString(words.En, -1), braces.FindAllString(words.Ja, -1)
		slices.Sort(en)
		slices.Sort(ja)
		if !slices.Equal(en, ja) {
			t.Errorf("%s speaks of %v in English, of %v in Japanese", id, en, ja)
		}
	}
	for form, list := range map[string][]string{
		"  %s: ": {
			incident.EdgeSpawn, incident.EdgeWroteExec, incident.EdgeDownloaded, incident.EdgeHandoff, incident.EdgeScheduled, incident.EdgeInjected, incident.EdgePiped, incident.EdgeLogon, incident.EdgeHostToHost,
		},
		"entry: %s, ": {"mail_link", "link", "attachment", "download", "exploited_service", "logon", "scheduled", "removable", "package", "another_host", "unknown"},
		"  or %s, ":   {"logon", "download"},
		"%s":          {"related: ", " beside ", "  step ", "no incident"},
	} {
		for _, x := range list {
			if want := fmt.Sprintf(form, x); !strings.Contains(all.String(), want) {
				t.Errorf("no case tells %q", want)
			}
		}
	}
}

// desk gives a desk the events one after another and what was found in them, and flushes it every so many.
func (s *stage) desk(list []event.Stamped, every int) ([]incident.Told, error) {
	d := incident.New(incident.Options{Now: func() time.Time { return time.UnixMicro(t0).Add(time.Hour) }})
	by := map[event.ID][]detection.Detection{}
	for _, x := range s.dets {
		by[x.Event.ID] = append(by[x.Event.ID], x)
	}
	ctx := context.Background()
	for i, e := range list {
		d.Observe(ctx, tenantMain, list[i:i+1])
		for _, x := range by[e.ID] {
			if err := d.Receive(ctx, x); err != nil {
				return nil, err
			}
		}
		if i%every == 0 {
			if err := d.Flush(ctx); err != nil {
				return nil, err
			}
		}
	}
	told, err := d.Tell(ctx, tenantMain, s.c)
	if err != nil {
		return nil, fmt.Errorf("tell: %w", err)
	}
	return told, nil
}
