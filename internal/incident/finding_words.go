package incident

// findingWords are the words of each finding; what stands in braces is what it is about.
var findingWords = map[string]Said{
	"when.began": {
		En: "Began {at}: {kind}.",
		Ja: "{at}、{kind}から始まった。",
	},
	"when.last": {
		En: "Last so far {at}, {after} after {began}: {kind}.",
		Ja: "最新: {at}（{began} の開始から{after}後、{kind}）。",
	},
	"when.first-detection": {
		En: "First detection: {title}, for what happened at {at}.",
		Ja: "最初の検知: {title}（{at} の動作）。",
	},
	"when.unknown": {
		En: "Unknown: no event of the story is stored.",
		Ja: "不明: 攻撃ストーリーのイベントが保存されていません。",
	},
	"where.host": {
		En: "Host {host}, at {at}.",
		Ja: "ホスト {host}（{at}）。",
	},
	"where.host-processes": {
		En: "Host {host}: {n} processes, from {at} on.",
		Ja: "ホスト {host}: プロセス {n} 個（{at} から）。",
	},
	"where.own-address": {
		En: "{own} side of the connection of {at} was {address} ({place}).",
		Ja: "{own}{at} の接続でのホスト側アドレスは {address}（{place}）。",
	},
	"where.connected": {
		En: "{who} connected to {to} ({place}) at {at}.",
		Ja: "{who}が {at} に {to}（{place}）へ接続した。",
	},
	"where.unknown": {
		En: "Unknown: no event of the story names a host.",
		Ja: "不明: ホストを示すイベントがありません。",
	},
	"what.credentials-read": {
		En: "Credentials: {file} was read by {who} at {at}.",
		Ja: "認証情報: {file} が {at} に {who}によって読み取られた。",
	},
	"what.process-taken-over": {
		En: "Process {other} was taken over by {who} at {at}.",
		Ja: "プロセス {other}が {at} に {who}によって操作された。",
	},
	"what.trace-removed": {
		En: "Traces: {file} was removed by {who} at {at}.",
		Ja: "痕跡: {file} が {at} に {who}によって削除された。",
	},
	"what.trace-emptied": {
		En: "Traces: {file} was emptied by {who} at {at}.",
		Ja: "痕跡: {file} が {at} に {who}によって空にされた。",
	},
	"what.setting-written": {
		En: "Settings: the {kind} {file} was written by {who} at {at}.",
		Ja: "設定: {kind} {file} が {at} に {who}によって書き込まれた。",
	},
	"what.data-may-have-left": {
		En: "Data may have left: after the read of {file} at {read}, {who} connected to {to} at {at}.",
		Ja: "データ流出の可能性: {read} に {file} が読まれた後、{who}が {at} に {to} へ接続した。",
	},
	"what.data-may-have-left-sent": {
		En: "Data may have left: after the read of {file} at {read}, {who} connected to {to} at {at} and sent {n} bytes by {until}.",
		Ja: "データ流出の可能性: {read} に {file} が読まれた後、{who}が {at} に {to} へ接続し、{until} までに {n} バイトを送信した。",
	},
	"what.unknown": {
		En: "Unknown: no event shows which data or settings were read or changed.",
		Ja: "不明: どのデータや設定が読まれ、変えられたかを示すイベントがありません。",
	},
	"why.entry": {
		En: "Entry route: {route}: {chain}.",
		Ja: "侵入経路: {route}。{chain}。",
	},
	"why.entry-unknown": {
		En: "Entry route unknown: {why}.",
		Ja: "侵入経路は不明: {why}。",
	},
	"why.weakness": {
		En: "Weakness used: {weakness} (seen at {at}).",
		Ja: "突かれた弱点: {weakness}（{at}）。",
	},
	"why.aim-credentials": {
		En: "Likely aim: to take credentials ({file} read at {at} by {who}).",
		Ja: "推定される目的: 認証情報の窃取（{at} に {file} が {who} によって読み取られた）。",
	},
	"why.aim": {
		En: "Likely aim: {aim} ({title}, event of {at}).",
		Ja: "推定される目的: {aim}（{title}、{at} のイベント）。",
	},
	"why.aim-unknown": {
		En: "Aim unknown: nothing seen so far shows what was wanted.",
		Ja: "目的は不明: 狙いを示すものはまだ観測されていません。",
	},
	"who.unknown": {
		En: "Unknown: nothing recorded identifies the attacker; no attribution.",
		Ja: "不明: 攻撃者を特定できる記録はありません。特定には至っていません。",
	},
	"who.outside-mark": {
		En: "The only outside mark: {step}; an address is not an identity.",
		Ja: "外部につながる手掛かりは次の 1 件だけです: {step}。アドレスだけでは誰かは分かりません。",
	},
	"who.inside": {
		En: "It came from inside: {step}; look on {host} for who it was.",
		Ja: "内部のホストから来ています: {step}。誰によるものかは {host} で調べてください。",
	},
	"who.this-host": {
		En: "It came from this very host: {step}; nothing seen says which program opened that connection.",
		Ja: "同じホストの中から来ています: {step}。その接続を開いたプログラムは観測されていません。",
	},
	"who.this-host-by": {
		En: "It came from this very host: {step}; {who} had opened that connection.",
		Ja: "同じホストの中から来ています: {step}。その接続を開いたのは {who}です。",
	},
	"accounts.used": {
		En: "{user}{on}: {n} processes, the first at {at}: {who}.",
		Ja: "{on}{user}: プロセス {n} 個、最初は {at} の {who}。",
	},
	"accounts.unknown": {
		En: "Unknown: no event names an account.",
		Ja: "不明: アカウントを示すイベントがありません。",
	},
	"how.rule": {
		En: "{at}: {title}{by}{techniques}.",
		Ja: "{at}: {title}{by}{techniques}。",
	},
	"how.rule-many": {
		En: "{at}: {title}{by}{techniques}; {n} times in all, the last at {last}.",
		Ja: "{at}: {title}{by}{techniques}。計 {n} 回、最後は {last}。",
	},
	"how.unknown": {
		En: "Unknown: no detection of this story is stored any more.",
		Ja: "不明: この攻撃ストーリーの検知はもう保存されていません。",
	},
	"unknown.no-longer-stored": {
		En: "Unknown: the events behind this answer are no longer stored.",
		Ja: "不明: この答えの根拠となるイベントはもう保存されていません。",
	},
}
