// Command generate writes docs/config.md from the configuration structures of the server and the sensor.
// dev/generate.sh runs it in the repository's root; nothing else does.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/yagura-edr/yagura/internal/config"
	"github.com/yagura-edr/yagura/internal/sensor/agent"
	"github.com/yagura-edr/yagura/internal/settings"
)

func main() {
	if err := os.WriteFile("docs/config.md", []byte(page()), 0o644); err != nil {
		fmt.Fprintf(os.Stderr, "write docs/config.md: %v\n", err)
		os.Exit(1)
	}
}

func page() string { return config.Markdown() + sensor() }

// sensor is the part of the page for yagura-sensor.
func sensor() string {
	var b strings.Builder
	b.WriteString(`
# Configuration of the sensor / センサーの設定

One YAML file: ` + "`" + agent.DefaultFile + "`" + `, or the one that ` + "`--config`" + ` names. It is as strict as the server's, except that
a key without a value keeps its default. It holds identity, paths and the host's own vetoes, nothing else: policy comes from the server,
signed, and the file can only take power away. Every key is also a flag of ` + "`yagura-sensor`" + `; flags win, and ` + "`--forbid`" + ` adds to the
file's list. ` + "`yagura-sensor config print`" + ` shows the values in force and where each comes from, ` + "`yagura-sensor config check`" + ` looks at
files and combinations, and ` + "`yagura-sensor check`" + ` tries what the file says.

設定ファイルは ` + "`" + agent.DefaultFile + "`" + `、または ` + "`--config`" + ` で指定したものです。サーバーの設定ファイルと同じく厳密に読みますが、
値のないキーは既定値のままになります。書けるのは識別情報、場所、ホスト側の禁止事項だけです。ポリシーは署名付きでサーバーから届き、
このファイルで許可を増やすことはできません。すべてのキーは
` + "`yagura-sensor`" + ` のフラグでもあり、フラグが優先します(` + "`--forbid`" + ` はファイルの一覧に加わります)。` + "`yagura-sensor config print`" + ` は
現在の値とその出どころを、` + "`yagura-sensor config check`" + ` はファイルや組み合わせの誤りを表示し、` + "`yagura-sensor check`" + ` は実際に試します。

`)
	b.WriteString(settings.Table(agent.Keys()))
	b.WriteString(`
## Example / 例

` + "```yaml\n" + agent.Example + "```\n")
	return b.String()
}
