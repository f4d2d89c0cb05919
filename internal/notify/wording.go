package notify

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// Voice is how a channel speaks.
type Voice struct {
	Language  string         // en, ja or both (Japanese first)
	PublicURL string         // of the console, put before links; empty: no links
	Zone      *time.Location // for times; nil means UTC
	HideHosts bool           // leave out hosts and what ran on them, for channels outside the organisation
}

// Bounds of one notice.
const (
	maxHosts   = 10  // host names; the rest is a number
	maxCommand = 300 // bytes of a command line
	maxChat    = 5   // notices told in full in one chat message; the rest is a number
)

var severityJa = map[detection.Severity]string{
	detection.Informational: "情報", detection.Low: "低", detection.Medium: "中", detection.High: "高", detection.Critical: "緊急",
}

func severity(s detection.Severity, lang string) string {
	if lang == "ja" {
		return severityJa[s] + " (" + s.String() + ")"
	}
	return s.String()
}

func said(s detection.Said, lang string) string {
	t := s.In(lang)
	if lang == "ja" && s.Ja == "" && s.En != "" {
		t += "(原文は英語)"
	}
	return event.Clip(event.Show(t), 1000)
}

func (v Voice) languages() []string {
	switch v.Language {
	case "ja", "en":
		return []string{v.Language}
	}
	return []string{"ja", "en"}
}

// fit takes out of notices what the channel's readers may not have: with HideHosts the hosts, in sentences too, and
// what ran on them.
func (v Voice) fit(notices []Notice) []Notice {
	if !v.HideHosts {
		return notices
	}
	out := slices.Clone(notices)
	for i := range out {
		n := &out[i]
		for _, s := range []*detection.Said{&n.Title, &n.Summary, &n.Todo} {
			for _, h := range n.Hosts {
				if h == "" {
					continue
				}
				name := regexp.MustCompile(`(^|[^A-Za-z0-9_.-])` + regexp.QuoteMeta(h) + `($|[^A-Za-z0-9_-])`)
				s.En = name.ReplaceAllString(s.En, "${1}a host${2}")
				s.Ja = name.ReplaceAllString(s.Ja, "${1}ホスト${2}")
			}
		}
		n.Hosts, n.Act = nil, Act{}
	}
	return out
}

// Subject gives the subject line of a message.
func (v Voice) Subject(notices []Notice) string {
	notices = v.fit(notices)
	var parts []string
	for _, lang := range v.languages() {
		parts = append(parts, v.subject(notices, lang))
	}
	return strings.Join(parts, " / ")
}

func (v Voice) subject(notices []Notice, lang string) string {
	if len(notices) > 1 {
		worst := detection.Severity(0)
		for _, n := range notices {
			worst = max(worst, n.Severity)
		}
		if lang == "ja" {
			return fmt.Sprintf("【Yagura】お知らせ %d 件(最高の重大度: %s)", len(notices), severity(worst, lang))
		}
		return fmt.Sprintf("[Yagura] %d notices, highest severity %s", len(notices), severity(worst, lang))
	}
	n := notices[0]
	title, host := event.Clip(said(n.Title, lang), 150), ""
	if len(n.Hosts) > 0 && !v.HideHosts && !strings.Contains(title, event.Show(n.Hosts[0])) {
		host = event.Clip(event.Show(n.Hosts[0]), 64)
		if more := len(n.Hosts) - 1; more > 0 && lang == "ja" {
			host += fmt.Sprintf(" ほか %d 台", more)
		} else if more > 0 {
			host += fmt.Sprintf(" and %d more", more)
		}
	}
	if lang == "ja" {
		if host != "" {
			host = "(" + host + ")"
		}
		return map[Kind]string{Incident: "【Yagura】" + severity(n.Severity, lang) + ": ", Silent: "【Yagura】サイレント障害: ", Trial: "【Yagura】"}[n.Kind] + title + host
	}
	if host != "" {
		host = " on " + host
	}
	return map[Kind]string{Incident: "[Yagura] " + severity(n.Severity, lang) + ": ", Silent: "[Yagura] silent failure: ", Trial: "[Yagura] "}[n.Kind] + title + host
}

// Body gives the text of a message, lines ended by \n.
func (v Voice) Body(notices []Notice) string {
	notices = v.fit(notices)
	var parts []string
	for _, lang := range v.languages() {
		if lang == "ja" {
			parts = append(parts, v.bodyJa(notices))
		} else {
			parts = append(parts, v.bodyEn(notices))
		}
	}
	return strings.Join(parts, "\n"+strings.Repeat("=", 60)+"\n\n")
}

var openingJa = map[Kind]string{
	Incident: "新しいインシデントを検知いたしましたので、お知らせいたします。\nお手数ですが、内容のご確認をお願いいたします。\n",
	Silent:   "監視または通知の一部が機能していないことを確認いたしましたので、お知らせいたします。\nこの間に起きたことを見落とすおそれがございます。ご確認をお願いいたします。\n",
	Trial:    "通知の設定を確認するための試験送信です。ご対応は不要です。\n",
}

var openingEn = map[Kind]string{
	Incident: "A new incident needs your attention.\n",
	Silent:   "Part of the monitoring or of its notifications is not working. What happens meanwhile may go unseen.\n",
	Trial:    "This is a trial of your notification settings. Nothing needs to be done.\n",
}

func (v Voice) bodyJa(notices []Notice) string {
	var b strings.Builder
	b.WriteString("ご担当者様\n\nお世話になっております。Yagura からの自動通知です。\n")
	b.WriteString(opening(notices, openingJa, fmt.Sprintf("以下の %d 件をまとめてお知らせいたします。ご確認をお願いいたします。\n", len(notices))))
	for i, n := range notices {
		b.WriteString("\n")
		if len(notices) > 1 {
			fmt.Fprintf(&b, "[%d]\n", i+1)
		}
		v.rows(&b, n, "ja", map[string]string{"title": "■ 件名", "severity": "■ 重大度", "hosts": "■ ホスト", "user": "■ ユーザー", "process": "■ プロセス", "command": "■ コマンドライン", "time": "■ 発生日時", "summary": "■ 概要", "todo": "■ 最初の対応", "link": "■ 詳細", "credits": "■ ルール"}, ": ") //nolint:gosec // credits are the authors of rules
	}
	b.WriteString("\n本メールは送信専用です。ご返信いただいてもお答えできませんので、ご了承ください。\n以上、よろしくお願いいたします。\n\n-- \nYagura\n")
	return b.String()
}

func (v Voice) bodyEn(notices []Notice) string {
	var b strings.Builder
	b.WriteString(opening(notices, openingEn, fmt.Sprintf("%d notices came close together.\n", len(notices))))
	for i, n := range notices {
		b.WriteString("\n")
		if len(notices) > 1 {
			fmt.Fprintf(&b, "[%d]\n", i+1)
		}
		v.rows(&b, n, "en", map[string]string{"title": "What", "severity": "Severity", "hosts": "Hosts", "user": "User", "process": "Process", "command": "Command line", "time": "When", "summary": "Summary", "todo": "First", "link": "Details", "credits": "Rules"}, ": ")
	}
	b.WriteString("\nSent automatically; replies are not read.\n\n-- \nYagura\n")
	return b.String()
}

func opening(notices []Notice, by map[Kind]string, several string) string {
	if len(notices) > 1 {
		return several
	}
	return by[notices[0].Kind]
}

func (v Voice) rows(b *strings.Builder, n Notice, lang string, label map[string]string, colon string) {
	row := func(key, value string) {
		if value != "" {
			b.WriteString(label[key] + colon + value + "\n")
		}
	}
	row("title", said(n.Title, lang))
	if n.Kind != Trial {
		row("severity", severity(n.Severity, lang))
		row("hosts", v.hosts(n, lang))
	}
	if n.Act.Key != "" && !v.HideHosts {
		row("user", event.Clip(event.Show(n.Act.User), 64))
		row("process", process(n.Act))
		row("command", event.Clip(event.Show(n.Act.CommandLine), maxCommand))
	}
	row("time", v.time(n.Time, lang))
	row("summary", said(n.Summary, lang))
	row("todo", said(n.Todo, lang))
	row("link", v.link(n))
	for _, c := range n.Credits[:min(len(n.Credits), maxHosts)] {
		row("credits", event.Clip(event.Show(c), 300))
	}
}

func (v Voice) hosts(n Notice, lang string) string {
	if v.HideHosts {
		return ""
	}
	var names []string
	for _, h := range n.Hosts[:min(len(n.Hosts), maxHosts)] {
		name := event.Clip(event.Show(h), 255)
		if at := n.Act.addresses(); at != "" && h == n.Act.Host {
			name += " (" + at + ")"
		}
		names = append(names, name)
	}
	s := strings.Join(names, ", ")
	if more := len(n.Hosts) - maxHosts; more > 0 && lang == "ja" {
		s += fmt.Sprintf(" ほか %d 台", more)
	} else if more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// addresses gives the first addresses of the host.
func (a Act) addresses() string {
	var out []string
	for _, x := range a.Addresses[:min(len(a.Addresses), 3)] {
		out = append(out, event.Clip(event.Show(x), 64))
	}
	return strings.Join(out, " ")
}

func process(a Act) string {
	return fmt.Sprintf("%s (pid %d)", event.Clip(event.Show(a.Path), 255), a.PID)
}

// Chat gives a message for a chat, where people read on a phone: a few lines a notice, nothing said twice.
func (v Voice) Chat(notices []Notice) string {
	notices = v.fit(notices)
	var parts []string
	for _, lang := range v.languages() {
		var blocks []string
		for _, n := range notices[:min(len(notices), maxChat)] {
			blocks = append(blocks, v.chat(n, lang))
		}
		if more := len(notices) - maxChat; more > 0 && lang == "ja" {
			blocks = append(blocks, fmt.Sprintf("ほか %d 件はコンソールで確認してください。", more))
		} else if more > 0 {
			blocks = append(blocks, fmt.Sprintf("%d more: see the console.", more))
		}
		parts = append(parts, strings.Join(blocks, "\n\n"))
	}
	return strings.Join(parts, "\n\n")
}

func (v Voice) chat(n Notice, lang string) string {
	lines := []string{v.subject([]Notice{n}, lang)}
	add := func(en, ja, value string) {
		if value == "" {
			return
		}
		if lang == "ja" {
			en = ja
		}
		lines = append(lines, en+": "+value)
	}
	add("Host", "ホスト", v.hosts(n, lang))
	if n.Act.Key != "" && !v.HideHosts {
		add("User", "ユーザー", event.Clip(event.Show(n.Act.User), 64))
		add("Process", "プロセス", process(n.Act))
		add("Command line", "コマンドライン", event.Clip(event.Show(n.Act.CommandLine), maxCommand))
	}
	if n.Kind != Trial {
		add("When", "発生日時", v.time(n.Time, lang))
		if n.Kind == Incident {
			add("Known", "概要", said(n.Summary, lang))
		}
		add("First", "最初の対応", said(n.Todo, lang))
	}
	if link := v.link(n); link != "" {
		lines = append(lines, link)
	}
	return strings.Join(lines, "\n")
}

func (v Voice) link(n Notice) string {
	if v.PublicURL == "" || n.Link == "" {
		return ""
	}
	return strings.TrimSuffix(v.PublicURL, "/") + n.Link
}

func (v Voice) time(t time.Time, lang string) string {
	if t.IsZero() {
		return ""
	}
	zone := v.Zone
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	if lang == "ja" {
		day := [...]string{"日", "月", "火", "水", "木", "金", "土"}[t.Weekday()]
		return t.Format("2006年1月2日") + "(" + day + ") " + t.Format("15:04:05 MST") + inUTC(t)
	}
	return t.Format("2006-01-02 15:04:05 MST") + inUTC(t)
}

// inUTC adds the time that logs and colleagues elsewhere have.
func inUTC(t time.Time) string {
	if _, offset := t.Zone(); offset == 0 {
		return ""
	}
	return " (" + t.UTC().Format("15:04:05 UTC") + ")"
}

func trialNotice() Notice {
	return Notice{
		Key: "test", Kind: Trial, Severity: detection.Informational, Time: time.Now(),
		Title: detection.Said{En: "test message", Ja: "通知の試験送信"},
	}
}

// failedFinding says what fails; what to do about it is the same for every channel, and stands beside it
// on Home.
func failedFinding(channel string, err error) detection.Said {
	reason := event.Clip(err.Error(), 300)
	return detection.Said{
		En: fmt.Sprintf("Notifications cannot be delivered through %s: %s", channel, reason),
		Ja: fmt.Sprintf("%s へ通知を送信できません: %s", channel, reason),
	}
}

func expiredFinding(channel string, d Delivery) detection.Said {
	return detection.Said{
		En: fmt.Sprintf("A notice for %s was given up after %v: %s. Read it on the console (%s).", channel, expireAfter, event.Clip(d.Error, 200), said(d.Notice.Title, "en")),
		Ja: fmt.Sprintf("%s への通知は %d 時間送信できず、取りやめました: %s。内容はコンソールで確認してください(%s)。", channel, int(expireAfter.Hours()), event.Clip(d.Error, 200), said(d.Notice.Title, "ja")),
	}
}

func fullFinding(channel string) detection.Said {
	return detection.Said{
		En: fmt.Sprintf("%d notices wait for %s and no more are taken. Correct the channel or remove it from the notify settings.", maxPending, channel),
		Ja: fmt.Sprintf("%s 宛ての送信待ちが上限の %d 件に達し、これ以上登録できません。送信先を直すか、notify の設定から外してください。", channel, maxPending),
	}
}
