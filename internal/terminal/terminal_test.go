package terminal_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yagura-edr/yagura/internal/terminal"
)

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"LANG": "ja_JP.UTF-8"}, "ja"},
		{map[string]string{"LANG": "ja_JP"}, "ja"},
		{map[string]string{"LANG": "ja"}, "ja"},
		{map[string]string{"LANG": "ja.utf8"}, "ja"},
		{map[string]string{"LANG": "ja_JP.UTF-8@cjknarrow"}, "ja"},
		{map[string]string{"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"},
		{map[string]string{"LANG": "ja_JP.UTF-8", "LC_ALL": "", "LC_MESSAGES": "POSIX"}, "en"},
		{map[string]string{"LANG": "C", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja"},
		{map[string]string{"LANG": "C", "LC_ALL": "ja_JP.UTF-8", "LC_MESSAGES": "C"}, "ja"},
		{map[string]string{"LANG": "ja_JP.eucJP"}, "en"}, // our UTF-8 would be noise there
		{map[string]string{"LANG": "jam_JM"}, "en"},
		{map[string]string{"LANG": "C.UTF-8"}, "en"},
		{nil, "en"},
	} {
		if got := terminal.Language(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("Language(%v) = %s; want %s", c.env, got, c.want)
		}
	}
}

var table = terminal.Sentences{
	"read %s":                      "%s を読む",
	"list hosts":                   "ホストの一覧",
	"no host is called %q: see %s": "%q というホストはありません: %s を参照",
	"line %d of %s is wrong":       "%[2]s の %[1]d 行目が誤りです",
	"%d hosts":                     "ホスト %d 台",
	"renew the list: %w":           "一覧の更新: %s",
	"open the key: %w":             "鍵を開けません: %s",
	"key %s is not PEM":            "%s は鍵ではありません",
	"folder %s is refused: %w":     "フォルダー %s は使えません: %s",

	"others can write in %s: run `chmod %s`": "%s にはほかのユーザーも書き込めます。`chmod %s` を実行してください",
	"host":                                   "ホスト",
}

func TestSay(t *testing.T) {
	ja, en := terminal.NewTongue("ja", table), terminal.NewTongue("en", table)
	if got := ja.Say("%d hosts", 3); got != "ホスト 3 台" {
		t.Errorf("Japanese: %q", got)
	}
	if got := en.Say("%d hosts", 3); got != "3 hosts" {
		t.Errorf("English: %q", got)
	}
	if got := ja.Say("100% unknown"); got != "100% unknown" {
		t.Errorf("a sentence that the table lacks: %q", got)
	}
}

// TestTextReadsErrorsBack: errors cross packages and the wire as English text; people read them in their language.
func TestTextReadsErrorsBack(t *testing.T) {
	ja := terminal.NewTongue("ja", table, terminal.Shared)
	for english, want := range map[string]string{
		"list hosts: permission denied":                                            "ホストの一覧: 権限がありません",
		"list hosts: open /x: a b: is odd":                                         "ホストの一覧: /x を開く操作: a b: is odd",
		"read /etc/x: permission denied":                                           "/etc/x を読む: 権限がありません",
		`no host is called "a: b": see yagura`:                                     `"a: b" というホストはありません: yagura を参照`,
		"line 3 of host is wrong":                                                  "host の 3 行目が誤りです",                      // a value is never taken for a word of ours
		`--for: expected duration but got "2": time: missing unit in duration "2"`: `--for: "2" は時間として読めません（例: 30s、5m、24h）`, // it ended in %!(EXTRA
		"list hosts\nread x":                                                       "ホストの一覧\nx を読む",
		// what is wrapped is a chain of its own: its first part is known by what stands behind it, or holds a colon itself
		"renew the list: open the key: key /k is not PEM":                          "一覧の更新: 鍵を開けません: /k は鍵ではありません",
		"folder /f is refused: others can write in /f: run `chmod /f`":             "フォルダー /f は使えません: /f にはほかのユーザーも書き込めます。`chmod /f` を実行してください",
		`unexpected argument hst, did you mean "hosts"?: see ` + "`yagura --help`": "hst という引数は使えません。\"hosts\" ではありませんか: `yagura --help` を参照してください",
	} {
		if got := ja.Text(english); got != want {
			t.Errorf("Text(%q)\n = %q\n; want %q", english, got, want)
		}
	}
	if got := terminal.NewTongue("en", table).Text("list hosts: x"); got != "list hosts: x" {
		t.Errorf("English changed: %q", got)
	}
}

func TestTableCountsJapaneseAsTwoColumns(t *testing.T) {
	got := terminal.Table([]string{"ホスト", "状態"}, [][]string{{"web-01", "報告中"}, {"経理サーバー", "沈黙"}}, 0)
	want := "ホスト        状態\nweb-01        報告中\n経理サーバー  沈黙\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestTableFolds keeps every cell whole on a narrow screen.
func TestTableFolds(t *testing.T) {
	id := "i-" + strings.Repeat("0", 36)
	got := terminal.Table([]string{"A", "B", "C"}, [][]string{{strings.Repeat("a", 30), strings.Repeat("b", 30), id}}, 80)
	for line := range strings.Lines(got) {
		if terminal.Width(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("wider than the screen: %q", line)
		}
	}
	if !strings.Contains(got, id) || strings.Count(got, "\n") != 4 {
		t.Errorf("got\n%s", got)
	}
}

func TestWrap(t *testing.T) {
	text := "センサーの手元にあるイベントは、サーバーが受け取るまでディスクに残ります(既定値 512MiB)。 words between are whole"
	lines := terminal.Wrap(text, 20)
	for _, l := range lines {
		if terminal.Width(l) > 20 || strings.HasPrefix(l, "、") || strings.HasPrefix(l, "。") || strings.HasSuffix(l, "(") {
			t.Errorf("line %q", l)
		}
	}
	if got := strings.ReplaceAll(strings.Join(lines, ""), " ", ""); got != strings.ReplaceAll(text, " ", "") {
		t.Errorf("text was lost: %q", got)
	}
	if got := terminal.Wrap("one two three", 8); !slices.Equal(got, []string{"one two", "three"}) {
		t.Errorf("Wrap = %q", got)
	}
}

// A command that goes on in the next line is two when it is pasted.
func TestWrapKeepsACommandOnOneLine(t *testing.T) {
	const command = "`sudo bin/yagura-sensor --data /x enroll`"
	for width := terminal.Width(command); width < 90; width++ {
		for _, text := range []string{"this host is not enrolled: run " + command + " first, then `yagura-sensor run`.", "このホストは登録されていません。先に " + command + " を実行してください"} {
			lines := terminal.Wrap(text, width)
			if !strings.Contains(strings.Join(lines, "\n"), command) {
				t.Errorf("Wrap(%d) = %q", width, lines)
			}
			for _, l := range lines {
				if terminal.Width(l) > width {
					t.Errorf("Wrap(%d): %q has %d columns", width, l, terminal.Width(l))
				}
			}
		}
	}
}

func TestTimesAreOfTheTerminal(t *testing.T) {
	was := time.Local
	t.Cleanup(func() { time.Local = was })
	at := time.Date(2026, 11, 22, 1, 2, 3, 456789000, time.UTC).UnixMicro()
	for zone, want := range map[string]string{"Asia/Tokyo": "2026-11-22 10:02:03 JST", "UTC": "2026-11-22 01:02:03 UTC", "America/Chicago": "2026-11-21 19:02:03-06:00"} {
		l, err := time.LoadLocation(zone)
		if err != nil {
			t.Skip(err)
		}
		time.Local = l
		if got := terminal.Clock(at); got != want {
			t.Errorf("Clock in %s = %q; want %q", zone, got, want)
		}
	}
	time.Local = time.FixedZone("JST", 9*3600)
	got := terminal.LocalTimes("From 2026-11-22 01:02:03.456789Z to 2026-11-22T01:02:04Z.")
	if got != "From 2026-11-22 10:02:03.456 JST to 2026-11-22 10:02:04.000 JST." {
		t.Errorf("LocalTimes = %q", got)
	}
	if terminal.Clock(0) != "–" {
		t.Error("never is not a time")
	}
}

func TestJapaneseParentheses(t *testing.T) {
	for in, want := range map[string]string{
		"証明書の期限(%s)": "証明書の期限（%s）", "ID(h-…)または名前": "ID（h-…）または名前", "curl (pid 7)": "curl (pid 7)", "`f(あ)` を実行(例)": "`f(あ)` を実行（例）", "(推定)": "（推定）", "a(b(次)c)": "a(b（次）c)", ")(": ")(",
	} {
		if got := terminal.Typeset(in); got != want {
			t.Errorf("Typeset(%q) = %q; want %q", in, got, want)
		}
	}
	for width := 8; width < 40; width++ {
		for _, l := range terminal.Wrap("攻撃者がサービスからシェルを起動した （推定）。次の手は不明", width) {
			if strings.Contains(l, "（推") != strings.Contains(l, "定）") {
				t.Errorf("width %d breaks （推定）: %q", width, l)
			}
		}
	}
}

// A line ended within ファイル and within システムコール.
func TestWrapKeepsAWordInKatakana(t *testing.T) {
	for width := 20; width < 70; width++ {
		for _, l := range terminal.Wrap("ユーザーで動作し、許可されたシステムコールは 101 個です。該当ファイルをバックアップから戻すと、データディレクトリーから再び読み取られます", width) {
			if terminal.Width(l) > width {
				t.Errorf("width %d: line %q", width, l)
			}
			for word := range strings.SplitSeq("ユーザー システムコール ファイル バックアップ", " ") {
				if runes := []rune(word); strings.HasSuffix(l, string(runes[:2])) || strings.HasPrefix(l, string(runes[2:])) {
					t.Errorf("width %d: %s is cut: %q", width, word, l)
				}
			}
		}
	}
}

// A wide parenthesis that opens ended a line, and one that closes began the next; an entry of a list hung under nothing.
func TestWrapKeepsWideParenthesesAndHangsLists(t *testing.T) {
	for width := 12; width < 60; width++ {
		for _, l := range terminal.Wrap("root: プロセス 19 個、最初は miner-like.sh（pid 24948、いま動いているもの）。次は「別の名前」（長い長い長い説明）です", width) {
			if strings.HasSuffix(l, "（") || strings.HasPrefix(l, "）") || strings.HasPrefix(l, "」") || strings.HasSuffix(l, "「") {
				t.Errorf("width %d: line %q", width, l)
			}
		}
	}
	got := terminal.Wrap("次のいずれか。\n  FP-rule  ルールが一致した対象ではないもの", 24)
	want := []string{"次のいずれか。", "  FP-rule  ルールが一致", "           した対象では", "           ないもの"}
	if !slices.Equal(got, want) {
		t.Errorf("Wrap = %q; want %q", got, want)
	}
}
