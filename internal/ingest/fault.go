package ingest

import (
	"fmt"
	"strings"
	"time"

	"github.com/yagura-edr/yagura/internal/coverage"
	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
	"github.com/yagura-edr/yagura/internal/fleet"
)

func faultConflict(id fleet.Identity, streamID uint64, laneNumber uint32, first uint64) coverage.Fault {
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: "id-conflict", Class: coverage.ClassTamper, Severity: detection.High,
		What: detection.Said{
			En: fmt.Sprintf("The sensor sent other content under event ids that it had used before (stream %016x, lane %d, from %d). The first content stands.", streamID, laneNumber, first),
			Ja: fmt.Sprintf("センサーが使用済みのイベント ID(ストリーム %016x、レーン %d、%d から)で異なる内容を送りました。最初の内容を有効とします。", streamID, laneNumber, first),
		},
		Fix: detection.Said{
			En: "A restored snapshot or a cloned machine does this, and so does somebody who holds its key. Enrol the machine again and revoke this host.",
			Ja: "スナップショットの復元や複製されたマシン、または鍵を持つ第三者が原因です。マシンを登録し直し、このホストを失効させてください。",
		},
	}
}

// Kinds of faults that are ended elsewhere than where they are told.
const (
	kindClone   = "clone"
	kindTwin    = "twin"
	kindRenamed = "renamed"
)

func faultClone(id fleet.Identity, why detection.Said) coverage.Fault {
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: kindClone, Class: coverage.ClassTamper, Severity: detection.High,
		What: detection.Said{
			En: "Two machines, or two programs, use one identity: " + why.En + ". Orders go to both, events of both stand under one name, and one hides the silence of the other.",
			Ja: "二台のマシン、または二つのプログラムが一つの ID を使っています(" + why.Ja + ")。指示は両方に届き、両方のイベントが一つの名前に並び、一方の途絶を他方が隠します。",
		},
		Fix: detection.Said{
			En: "Remove the sensor's data folder on the copy and enrol it with a new token; the alarm goes out ten minutes after the last word of the second one. If no copy is known, somebody holds the host's key: revoke this host and enrol it anew.",
			Ja: "複製側のセンサーのデータディレクトリーを消し、新しいトークンで登録してください。二つ目が途絶えてから 10 分で警報は消えます。複製に心当たりがなければ、第三者がホストの鍵を持っています。このホストを失効させ、登録し直してください。",
		},
	}
}

func faultTwin(id fleet.Identity, other event.HostID) coverage.Fault {
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: kindTwin, Class: coverage.ClassTamper, Severity: detection.High,
		What: detection.Said{
			En: fmt.Sprintf("A machine with the same machine id was enrolled as %s while this host was alive: a copy of its disk, or one machine that was enrolled twice.", other),
			Ja: fmt.Sprintf("このホストの稼働中に、同じ machine-id のマシンが %s として登録されました。ディスクの複製か、一台の二重登録です。", other),
		},
		Fix: detection.Said{
			En: "If it is a copy, give it a machine id of its own (`systemd-machine-id-setup`); if it is one machine, revoke the host that is no longer used: `yagura enroll revoke HOST`. The alarm goes out when one of the two is revoked, or silent for ten minutes.",
			Ja: "複製であれば固有の machine-id を与えてください(`systemd-machine-id-setup`)。一台であれば、使わなくなったホストを `yagura enroll revoke HOST` で失効させてください。一方が失効するか 10 分間途絶えれば、警報は消えます。",
		},
	}
}

func faultRenamed(id fleet.Identity, was, is string, other fleet.Host, taken bool) coverage.Fault {
	was, is = event.Show(was), event.Show(is)
	f := coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: kindRenamed, Class: coverage.ClassTamper, Severity: detection.Low,
		What: detection.Said{
			En: fmt.Sprintf("The host %s calls itself %s now; it was %s before.", id.Host, is, was),
			Ja: fmt.Sprintf("ホスト %s の名前が %s から %s に変わりました。", id.Host, was, is),
		},
		Fix: detection.Said{
			En: "Nothing if it was renamed on purpose: this goes by itself after a day. Ask otherwise: a name is the host's own word, its id is not.",
			Ja: "意図した変更であれば対応は不要です(一日で消えます)。そうでなければ確かめてください。名前はホストの自称であり、ID は自称ではありません。",
		},
	}
	if taken {
		f.Severity = detection.Medium
		f.What.En += fmt.Sprintf(" Another host has that name: %s.", other.ID)
		f.What.Ja += fmt.Sprintf("同じ名前のホストがほかにあります(%s)。", other.ID)
	}
	return f
}

func faultClock(id fleet.Identity, host, server int64) coverage.Fault {
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: "clock-skew", Class: coverage.ClassClockSkew, Severity: detection.Low,
		What: detection.Said{
			En: fmt.Sprintf("The host's clock says %s where the server's says %s. Times shown are the server's estimate.", event.Clock(host), event.Clock(server)),
			Ja: fmt.Sprintf("ホストの時計は %s、サーバーの時計は %s です。表示される時刻はサーバーの推定です。", event.Clock(host), event.Clock(server)),
		},
		Fix: detection.Said{En: "Set the clock of the host, by NTP if you can.", Ja: "ホストの時計を合わせてください(可能なら NTP で)。"},
	}
}

func faultBootClock(id fleet.Identity, by int64) coverage.Fault {
	d := time.Duration(by) * time.Microsecond
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: "boot-clock", Class: coverage.ClassClockSkew, Severity: detection.Medium,
		What: detection.Said{
			En: fmt.Sprintf("The host's count of time since its boot and the server's clock moved apart by %s. Events before and after that may stand in the wrong order.", d.Round(time.Second)),
			Ja: fmt.Sprintf("ホストの起動からの経過時間とサーバーの時計が %s ずれました。その前後のイベントは順序が入れ替わっている可能性があります。", d.Round(time.Second)),
		},
		Fix: detection.Said{
			En: "If the server's clock was set back, nothing is left to do. If it was not, the host reports false times: look into it.",
			Ja: "サーバーの時計を戻した場合、対応は不要です。そうでなければ、ホストが偽の時刻を報告しています。調査してください。",
		},
	}
}

func faultDisk(id fleet.Identity, why detection.Said) coverage.Fault {
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: "spool", Class: coverage.ClassSensorDegraded, Severity: detection.Medium,
		What: detection.Said{
			En: "The sensor cannot use its disk (" + why.En + "). It goes on from memory: while the server is out of reach, events will be lost.",
			Ja: "センサーがディスクを使えません(" + why.Ja + ")。メモリーで動作を続けていますが、サーバーに届かない間のイベントは失われます。",
		},
		Fix: detection.Said{
			En: "Free space below the sensor's data folder, or mend its file system; the sensor uses it again by itself.",
			Ja: "センサーのデータディレクトリーの空きを増やすか、ファイルシステムを修復してください。センサーは自動的に使用を再開します。",
		},
	}
}

func faultForeign(id fleet.Identity, why detection.Said) coverage.Fault {
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: "foreign-command", Class: coverage.ClassTamper, Severity: detection.High,
		What: detection.Said{En: "A command reached the sensor that did not come through this server's queue: " + why.En + ".", Ja: "このサーバーの待ち行列を経ていない指示がセンサーに届きました(" + why.Ja + ")。"},
		Fix:  detection.Said{En: "Somebody may hold the server's listener or its data. Compare the actions with the audit, and replace the server's keys.", Ja: "第三者がサーバーの受け口かデータを握っている可能性があります。操作の一覧を監査記録と照合し、サーバーの鍵を交換してください。"},
	}
}

func faultOrderClock(id fleet.Identity, why detection.Said) coverage.Fault {
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: "order-clock", Class: coverage.ClassTamper, Severity: detection.High,
		What: detection.Said{
			En: "The host refused an order for its time, so it obeys none: " + why.En + ".",
			Ja: "ホストが時刻を理由に指示を拒否しました。このままではどの指示にも従いません(" + why.Ja + ")。",
		},
		Fix: detection.Said{
			En: "Two of three clocks are wrong there: the server's, the host's, and what the sensor remembers of the server's. Set the server's clock by NTP, then the host's; if nobody moved them, look for who did.",
			Ja: "サーバーの時計、ホストの時計、センサーが覚えているサーバー時刻の三つのうち二つが誤っています。まずサーバー、次にホストの時計を NTP で合わせてください。心当たりがなければ、誰が動かしたかを調べてください。",
		},
	}
}

// said gives a reason, which may be a host's word, in both languages as a fault may hold it.
func (s *Service) said(why string) detection.Said {
	why = event.Clip(strings.ToValidUTF8(why, ""), maxProblem)
	out := detection.Said{En: event.Show(why), Ja: event.Show(why)}
	if s.o.Japanese != nil {
		out.Ja = event.Show(s.o.Japanese(why))
	}
	return out
}

func faultNumbers(id fleet.Identity, why detection.Said) coverage.Fault {
	return coverage.Fault{
		Tenant: id.Tenant, Host: id.Host, Kind: "numbers", Class: coverage.ClassDrops, Severity: detection.Medium,
		What: detection.Said{
			En: "Events are missing that the sensor numbered and did not tell as lost: " + why.En + ".",
			Ja: "センサーが番号を付けたのに、欠損とも告げずに届いていないイベントがあります(" + why.Ja + ")。",
		},
		Fix: detection.Said{
			En: "This goes out when they come or are told as lost. If it stays, somebody lets part of the events not pass, or speaks for the sensor: look at what is between the host and this server, and at the host.",
			Ja: "届くか欠損として報告されれば消えます。続く場合は、誰かが一部のイベントを通していないか、センサーを装っています。ホストとサーバーの間にあるもの、およびホストを調べてください。",
		},
	}
}
