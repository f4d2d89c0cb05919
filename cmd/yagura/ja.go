package main

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/yagura-edr/yagura/internal/config"
	"github.com/yagura-edr/yagura/internal/say"
	"github.com/yagura-edr/yagura/internal/terminal"
)

// tongueOf gives the tongue of a language, with the help of flags and verdicts, which have tables of their own.
func tongueOf(language string) *terminal.Tongue {
	if language == terminal.Japanese {
		return inJapanese()
	}
	return inEnglish()
}

var (
	inEnglish  = sync.OnceValue(func() *terminal.Tongue { return terminal.NewTongue(terminal.English) })
	inJapanese = sync.OnceValue(func() *terminal.Tongue {
		return terminal.NewTongue(terminal.Japanese, append(say.Tables(), configHelp(), closeHelp())...)
	})
)

// configHelp gives the help of the flags that configuration keys are, from their own table.
func configHelp() terminal.Sentences {
	out := terminal.Sentences{}
	for _, k := range config.Keys() {
		out[k.FlagHelp(terminal.English)] = k.FlagHelp(terminal.Japanese)
	}
	maps.Copy(out, terminal.Sentences{ // what a value is
		config.FlagGroup: "設定(server.yaml のキー):",
		"text":           "文字列", "number": "数", "duration": "時間", "size": "サイズ", "list": "リスト", "list of text": "文字列", "true or false": "true か false",
		// parts of sentences that come wrapped
		"read rules": "ルールの読み込み", "name a folder of Sigma rules that exists": "存在する Sigma ルールのフォルダーを指定してください",
	})
	return out
}

// closeHelp gives the help of `incidents close`, which lists the verdicts from their one list.
func closeHelp() terminal.Sentences {
	for en, ja := range say.Help {
		if lead, ok := strings.CutSuffix(en, "What it can have been:%s"); ok {
			return terminal.Sentences{lead + "What it can have been:" + verdictHelp(terminal.English): fmt.Sprintf(ja, verdictHelp(terminal.Japanese))}
		}
	}
	return nil
}
