package notify

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// Voice is how a channel speaks.
type Voice struct {
	Language  string         // en, ja or both (Japanese first)
	PublicURL string         // of the console, put before links; empty: no links
	Zone      *time.Location // for times; nil means UTC
	HideHosts bool           // leave host names out, for channels outside the organisation
}

const maxHosts = 10 // host names in one notice; the rest is a number

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
	return clip(event.Show(t), 1000)
}

func (v Voice) languages() []string {
	switch v.Language {
	case "ja", "en":
		return []string{v.Language}
	}
	return []string{"ja", "en"}
}

// Subject gives the subject line of a message.
func (v Voice) Subject(notices []Notice) string {
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
	title, host := clip(said(n.Title, lang), 150), ""
	if len(n.Hosts) > 0 && !v.HideHosts && !strings.Contains(title, event.Show(n.Hosts[0])) {
		host = clip(event.Show(n.Hosts[0]), 64)
		if more := len(n.Hosts) - 1; more > 0 && lang == "ja" {
			host += fmt.Sprintf(" 他 %d 台", more)
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
		v.rows(&b, n, "ja", map[string]string{"title": "■ 件名", "severity": "■ 重大度", "hosts": "■ ホスト", "time": "■ 発生日時", "summary": "■ 概要", "todo": "■ 最初の対応", "link": "■ 詳細", "credits": "■ ルール"}, ": ") //nolint:gosec // credits are the authors of rules
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
		v.rows(&b, n, "en", map[string]string{"title": "What", "severity": "Severity", "hosts": "Hosts", "time": "When", "summary": "Summary", "todo": "First", "link": "Details", "credits": "Rules"}, ": ")
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
	row("time", v.time(n.Time, lang))
	row("summary", said(n.Summary, lang))
	row("todo", said(n.Todo, lang))
	row("link", v.link(n))
	for _, c := range n.Credits[:min(len(n.Credits), maxHosts)] {
		row("credits", clip(event.Show(c), 300))
	}
}

func (v Voice) hosts(n Notice, lang string) string {
	if v.HideHosts {
		return ""
	}
	var names []string
	for _, h := range n.Hosts[:min(len(n.Hosts), maxHosts)] {
		names = append(names, clip(event.Show(h), 255))
	}
	s := strings.Join(names, ", ")
	if more := len(n.Hosts) - maxHosts; more > 0 && lang == "ja" {
		s += fmt.Sprintf(" 他 %d 台", more)
	} else if more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
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
		return t.Format("2006年1月2日") + "(" + day + ") " + t.Format("15:04:05 MST")
	}
	return t.Format("2006-01-02 15:04:05 MST")
}

// clip cuts s to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := max(n-len("…"), 0)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
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
	reason := clip(err.Error(), 300)
	return detection.Said{
		En: fmt.Sprintf("Notifications cannot be delivered through %s: %s", channel, reason),
		Ja: fmt.Sprintf("%s へ通知を送信できません: %s", channel, reason),
	}
}

func expiredFinding(channel string, d Delivery) detection.Said {
	return detection.Said{
		En: fmt.Sprintf("A notice for %s was given up after %v: %s. Read it on the console (%s).", channel, expireAfter, clip(d.Error, 200), said(d.Notice.Title, "en")),
		Ja: fmt.Sprintf("%s への通知は %d 時間送信できず、取りやめました: %s。内容はコンソールで確認してください(%s)。", channel, int(expireAfter.Hours()), clip(d.Error, 200), said(d.Notice.Title, "ja")),
	}
}

func fullFinding(channel string) detection.Said {
	return detection.Said{
		En: fmt.Sprintf("%d notices wait for %s and no more are taken. Correct the channel or remove it from the notify settings.", maxPending, channel),
		Ja: fmt.Sprintf("%s 宛ての送信待ちが上限の %d 件に達し、これ以上登録できません。送信先を直すか、notify の設定から外してください。", channel, maxPending),
	}
}
