package registry

// Top are the fields that stand alone in an event.
var Top = []Field{
	{
		Number: 1, Go: "Kind", Name: "kind", Type: Uint, OS: AllOS, Source: Sensor, OCSF: "type_uid", Hunt: "ActionType", Since: 1,
		En: "what happened, by number of this registry", Ja: "何が起きたか(この台帳の番号)",
	},
	{
		Number: 2, Go: "OS", Name: "os", Type: Uint, OS: AllOS, Source: Sensor, OCSF: "device.os.type_id", Hunt: "OSPlatform", Since: 1,
		En: "operating system of the host: 1 Linux, 2 Windows, 4 macOS", Ja: "ホストの OS: 1 Linux、2 Windows、4 macOS",
	},
	{
		Number: 3, Go: "BootNS", Name: "boot_ns", Type: Uint, Unit: "ns since boot, suspend included", OS: AllOS, Source: Kernel, Hunt: "BootNs", Since: 1,
		En: "orders the events of one boot", Ja: "一回の起動の中でイベントを順に並べる",
	},
	{
		Number: 4, Go: "HostTime", Name: "host_time", Type: Int, Unit: "µs UTC", OS: AllOS, Source: Sensor, OCSF: "original_time", Hunt: "HostTime", Since: 1,
		En: "what the host's clock said", Ja: "ホストの時計が示した時刻",
	},
	{
		Number: 5, Go: "Time", Name: "time", Type: Int, Unit: "µs UTC", OS: AllOS, Source: Server, OCSF: "time", Hunt: "Timestamp", Since: 1,
		En: "the server's estimate of when it happened", Ja: "発生時刻(サーバーの推定)",
	},
	{
		Number: 6, Go: "Received", Name: "received", Type: Int, Unit: "µs UTC", OS: AllOS, Source: Server, OCSF: "metadata.logged_time", Hunt: "Received", Since: 1,
		En: "when the server took it; retention counts from it", Ja: "サーバーが受け取った時刻(保存期間の起点)",
	},
	{
		Number: 7, Go: "Flags", Name: "flags", Type: Uint, OS: AllOS, Source: Sensor, Hunt: "Flags", Since: 1,
		En: "bits: 1 command line truncated, 2 path truncated, 4 text came from a user pointer, 8 text unreadable, 16 recovered by a resync or snapshot, 32 imported recording, 64 file is memory-backed (memfd or shm), 128 file was deleted, 256 file was created by this act, 512 canary, 1024 the act emptied the file (opened for truncation while it had content, or truncated to nothing), 2048 the sensor judged lineage: what is not listed there is not so",
		Ja: "ビット: 1 コマンドライン切り詰め、2 パス切り詰め、4 ユーザーポインター由来、8 読み取り不能、16 再同期または起動時の写し、32 取り込んだ記録、64 メモリー上のファイル、128 削除済みファイル、256 この操作で作成、512 カナリア、1024 この操作で中身が空になった(中身のあるファイルを空にして開いた、または長さを 0 にした)、2048 センサーが lineage を判定済み(載っていない役割はない)",
	},
	{
		Number: 8, Go: "HashState", Name: "hash_state", Type: Uint, OS: AllOS, Source: Sensor, Hunt: "HashState", Since: 1,
		En: "state of the image hash: 0 none asked, 1 known, 2 pending (process.image_hashed follows), 3 too big, 4 gone, 5 error, 6 its file system did not answer", Ja: "実行ファイルのハッシュの状態: 0 なし、1 判明、2 計算中、3 大きすぎる、4 消えた、5 エラー、6 ファイルシステムの応答なし",
	},
	{
		Number: 9, Go: "Ancestors", Name: "ancestors", Type: Texts, OS: AllOS, Source: Sensor, Hunt: "Ancestors", Since: 1,
		En: "image paths from the parent's parent upwards, at most 8", Ja: "親の親から上の実行ファイルのパス(最大 8)",
	},
	{
		Number: 10, Go: "Hostname", Name: "hostname", Type: Text, OS: AllOS, Source: Kernel, OCSF: "device.hostname", Hunt: "DeviceName", Since: 1,
		En: "name of the host; only on sensor.start and imports", Ja: "ホスト名(sensor.start と取り込みのみ)",
	},
	{
		Number: 11, Go: "Lineage", Name: "lineage", Type: Texts, OS: Linux, Source: Sensor, Hunt: "Lineage", Since: 2,
		En: "proven roles of the acting process or of what started it, by the identity of the program and not by its name: package-manager and others (docs/format/rule.md)",
		Ja: "行為したプロセス、またはそれを起動した側の確かめられた役割。名前ではなく実行ファイルの身元で判定する(package-manager など、docs/format/rule.md)",
	},
	{
		Number: 12, Go: "Upstream", Name: "upstream", Type: Texts, OS: Linux, Source: Kernel, Hunt: "Upstream", Since: 2,
		En: "paths of the programs whose output reaches the actor through its pipeline, nearest first, at most 8",
		Ja: "パイプラインを通じて出力を渡してくるプログラムの実行ファイルのパス。近い順、最大 8",
	},
	{
		Number: 13, Go: "WriterPath", Name: "writer_path", Type: Text, OS: Linux, Source: Sensor, Hunt: "WriterFolderPath", Since: 2,
		En: "executable that wrote the image or script that now runs, as far as it was seen in the last hour",
		Ja: "今実行されるファイルまたはスクリプトを書いた実行ファイルのパス(直近 1 時間に見えた範囲)",
	},
	{
		Number: 14, Go: "WriterCommandLine", Name: "writer_command_line", Type: Text, OS: Linux, Source: Sensor, Hunt: "WriterCommandLine", Since: 2,
		En: "command line of that writer, cut to 512 bytes", Ja: "それを書いたプロセスのコマンドライン(512 バイトまで)",
	},
	{
		Number: 15, Go: "WriterAge", Name: "writer_age", Type: Uint, Unit: "ns", OS: Linux, Source: Sensor, Hunt: "WriterAge", Since: 2,
		En: "time between that write and this exec", Ja: "書き込みから実行までの時間",
	},
	{
		Number: 20, Go: "ExitCode", Name: "exit_code", Type: Int, OS: AllOS, Source: Kernel, OCSF: "exit_code", Hunt: "ExitCode", Since: 1,
		En: "status passed to exit", Ja: "終了コード",
	},
	{
		Number: 21, Go: "ExitSignal", Name: "exit_signal", Type: Uint, OS: Linux | MacOS, Source: Kernel, Hunt: "ExitSignal", Since: 1,
		En: "signal that ended the process, 0 when none did", Ja: "プロセスを終わらせたシグナル(なければ 0)",
	},
	{
		Number: 22, Go: "CPUTime", Name: "cpu_time", Type: Uint, Unit: "ns", OS: AllOS, Source: Kernel, Hunt: "CpuTime", Since: 1,
		En: "user and system time used", Ja: "使った CPU 時間",
	},
	{
		Number: 23, Go: "Request", Name: "request", Type: Uint, OS: Linux, Source: Kernel, Hunt: "Request", Since: 1,
		En: "request number of ptrace, flags of memfd_create, number of a signal", Ja: "ptrace の要求番号、memfd_create のフラグ、シグナルの番号",
	},
	{
		Number: 30, Go: "Initiated", Name: "initiated", Type: Bool, OS: AllOS, Source: Kernel, OCSF: "connection_info.direction_id", Hunt: "Initiated", Since: 1,
		En: "this host opened the connection", Ja: "このホストが接続を開いた",
	},
	{
		Number: 31, Go: "Protocol", Name: "protocol", Type: Text, OS: AllOS, Source: Kernel, OCSF: "connection_info.protocol_name", Hunt: "Protocol", Since: 1,
		En: "tcp or udp", Ja: "tcp または udp",
	},
	{
		Number: 32, Go: "LocalAddr", Name: "local_ip", Type: Addr, OS: AllOS, Source: Kernel, OCSF: "src_endpoint.ip", Hunt: "LocalIP", Since: 1,
		En: "address of this host's side", Ja: "このホスト側のアドレス",
	},
	{
		Number: 33, Go: "LocalPort", Name: "local_port", Type: Uint, OS: AllOS, Source: Kernel, OCSF: "src_endpoint.port", Hunt: "LocalPort", Since: 1,
		En: "port of this host's side", Ja: "このホスト側のポート",
	},
	{
		Number: 34, Go: "RemoteAddr", Name: "remote_ip", Type: Addr, OS: AllOS, Source: Kernel, OCSF: "dst_endpoint.ip", Hunt: "RemoteIP", Since: 1,
		En: "address of the other side", Ja: "相手側のアドレス",
	},
	{
		Number: 35, Go: "RemotePort", Name: "remote_port", Type: Uint, OS: AllOS, Source: Kernel, OCSF: "dst_endpoint.port", Hunt: "RemotePort", Since: 1,
		En: "port of the other side", Ja: "相手側のポート",
	},
	{
		Number: 36, Go: "RemoteName", Name: "remote_name", Type: Text, OS: AllOS, Source: Sensor, OCSF: "dst_endpoint.hostname", Hunt: "RemoteUrl", Since: 1,
		En: "name that a DNS answer seen before gave for the other side", Ja: "直前の DNS 応答から分かった相手側の名前",
	},
	{
		Number: 37, Go: "BytesSent", Name: "bytes_sent", Type: Uint, Unit: "bytes", OS: AllOS, Source: Kernel, OCSF: "traffic.bytes_out", Hunt: "BytesSent", Since: 1,
		En: "bytes this host sent on the connection", Ja: "この接続で送ったバイト数",
	},
	{
		Number: 38, Go: "BytesReceived", Name: "bytes_received", Type: Uint, Unit: "bytes", OS: AllOS, Source: Kernel, OCSF: "traffic.bytes_in", Hunt: "BytesReceived", Since: 1,
		En: "bytes this host received on the connection", Ja: "この接続で受けたバイト数",
	},
	{
		Number: 40, Go: "Query", Name: "query", Type: Text, OS: AllOS, Source: Kernel, OCSF: "query.hostname", Hunt: "QueryName", Since: 1,
		En: "name asked for", Ja: "問い合わせた名前",
	},
	{
		Number: 41, Go: "QueryType", Name: "query_type", Type: Uint, OS: AllOS, Source: Kernel, OCSF: "query.type", Hunt: "QueryType", Since: 1,
		En: "DNS RR type asked for (RFC 1035)", Ja: "問い合わせた DNS の型",
	},
	{
		Number: 42, Go: "Answers", Name: "answers", Type: Texts, OS: AllOS, Source: Kernel, OCSF: "answers", Hunt: "QueryResults", Since: 1,
		En: "addresses and names answered", Ja: "応答のアドレスと名前",
	},
	{
		Number: 43, Go: "URL", Name: "url", Type: Text, OS: AllOS, Source: Sensor, OCSF: "url.url_string", Hunt: "Url", Since: 1,
		En: "address on the web that the act names", Ja: "この操作に現れる URL",
	},
	{
		Number: 50, Go: "Subject", Name: "subject", Type: Text, OS: AllOS, Source: Sensor, Hunt: "Subject", Since: 1,
		En: "event class or hook that a sensor event is about", Ja: "センサーイベントの対象(イベント種別またはフック)",
	},
	{
		Number: 51, Go: "State", Name: "state", Type: Text, OS: AllOS, Source: Sensor, Hunt: "State", Since: 1,
		En: "full, partial, blind, unprotected or silent; start or stop for throttles", Ja: "状態",
	},
	{
		Number: 52, Go: "Reason", Name: "reason", Type: Text, OS: AllOS, Source: Sensor, Hunt: "Reason", Since: 1,
		En: "why, in one sentence", Ja: "理由(一文)",
	},
	{
		Number: 53, Go: "Count", Name: "count", Type: Uint, OS: AllOS, Source: Sensor, Hunt: "EventCount", Since: 1,
		En: "how many events a loss, throttle or aggregate stands for", Ja: "件数(欠損、抑制、集約)",
	},
	{
		Number: 54, Go: "FromNS", Name: "from_ns", Type: Uint, Unit: "ns since boot", OS: AllOS, Source: Sensor, Hunt: "FromNs", Since: 1,
		En: "start of the window a sensor event is about", Ja: "対象区間の始まり",
	},
	{
		Number: 55, Go: "ToNS", Name: "to_ns", Type: Uint, Unit: "ns since boot", OS: AllOS, Source: Sensor, Hunt: "ToNs", Since: 1,
		En: "end of that window", Ja: "対象区間の終わり",
	},
	{
		Number: 56, Go: "Stream", Name: "about_stream", Type: Uint, OS: AllOS, Source: Sensor, Hunt: "AboutStream", Since: 1,
		En: "stream that dropped or closed is about", Ja: "dropped と closed の対象ストリーム",
	},
	{
		Number: 57, Go: "Lane", Name: "about_lane", Type: Uint, OS: AllOS, Source: Sensor, Hunt: "AboutLane", Since: 1,
		En: "lane that dropped or closed is about", Ja: "dropped と closed の対象レーン",
	},
	{
		Number: 58, Go: "First", Name: "about_first", Type: Uint, OS: AllOS, Source: Sensor, Hunt: "AboutFirst", Since: 1,
		En: "first sequence number dropped", Ja: "欠けた最初の番号",
	},
	{
		Number: 59, Go: "Last", Name: "about_last", Type: Uint, OS: AllOS, Source: Sensor, Hunt: "AboutLast", Since: 1,
		En: "last sequence number dropped, or last one given out by a closed stream", Ja: "欠けた最後の番号、または閉じたストリームで最後に振られた番号",
	},
	{
		Number: 60, Go: "Nonce", Name: "nonce", Type: Text, OS: AllOS, Source: Sensor, Hunt: "Nonce", Since: 1,
		En: "canary nonce given by the server", Ja: "サーバーが渡したカナリアの値",
	},
	{
		Number: 61, Go: "Version", Name: "version", Type: Text, OS: AllOS, Source: Sensor, Hunt: "Version", Since: 1,
		En: "version of the sensor, or kernel release on sensor.start", Ja: "センサーの版",
	},
	{Number: 70, Go: "LogProduct", Name: "log_product", Type: Text, OS: AllOS, Source: Imported, OCSF: "metadata.product.name", Hunt: "LogProduct", Since: 4, En: "whose log it is, as Sigma names it: windows, linux, aws …", Ja: "ログの製品(Sigma の名前: windows、linux、aws など)"},
	{Number: 71, Go: "LogService", Name: "log_service", Type: Text, OS: AllOS, Source: Imported, Hunt: "LogService", Since: 4, En: "which log of the product, as Sigma names it: security, auditd, sshd …", Ja: "製品内のログ(Sigma の名前: security、auditd、sshd など)"},
	{Number: 72, Go: "LogCategory", Name: "log_category", Type: Text, OS: AllOS, Source: Imported, Hunt: "LogCategory", Since: 4, En: "what the records tell of, as Sigma names it: webserver, firewall …; mostly empty", Ja: "記録の種別(Sigma の名前: webserver、firewall など)。多くは空"},
	{Number: 73, Go: "LogChannel", Name: "log_channel", Type: Text, OS: AllOS, Source: Imported, Hunt: "LogChannel", Since: 4, En: "channel, file or facility that it stood in, as the product names it", Ja: "記録があったチャネル、ファイル、ファシリティー(製品での名前)"},
	{Number: 74, Go: "LogProvider", Name: "log_provider", Type: Text, OS: AllOS, Source: Imported, OCSF: "metadata.log_provider", Hunt: "LogProvider", Since: 4, En: "program or provider that wrote it", Ja: "記録したプログラムまたはプロバイダー"},
	{Number: 75, Go: "LogEventID", Name: "log_event_id", Type: Text, OS: AllOS, Source: Imported, OCSF: "metadata.event_code", Hunt: "LogEventId", Since: 4, En: "what the provider calls this kind of record: 4624, USER_LOGIN …", Ja: "プロバイダーによる記録の種類の番号または名前(4624、USER_LOGIN など)"},
	{Number: 76, Go: "LogLevel", Name: "log_level", Type: Text, OS: AllOS, Source: Imported, OCSF: "severity", Hunt: "LogLevel", Since: 4, En: "how important the provider calls it", Ja: "プロバイダーによる重要度"},
	{Number: 77, Go: "Attributes", Name: "attributes", Type: Attributes, OS: AllOS, Source: Imported, OCSF: "unmapped", Hunt: "extra", Since: 4, En: "what else the record holds: names as in the log, with typed values", Ja: "記録のその他の項目(ログでの名前と型付きの値)"},
}

var process = Shape{Go: "Process", En: "Process says who acted, as it was at the time of the event. A zero Key means that no process is named.", Fields: []Field{
	{Number: 0, Go: "Key", Name: "key", Type: Key, OS: AllOS, Source: Kernel, OCSF: "uid", Hunt: "ProcessKey", Since: 1, En: "process key: equal or not is the only question", Ja: "プロセスキー(等しいかどうかだけを問える)"},
	{Number: 1, Go: "PID", Name: "pid", Type: Uint, OS: AllOS, Source: Kernel, OCSF: "pid", Hunt: "ProcessId", Since: 1, En: "process id in the host's namespace", Ja: "プロセス ID"},
	{Number: 2, Go: "ExecID", Name: "exec_id", Type: Uint, OS: Linux, Source: Kernel, Hunt: "ExecId", Since: 1, En: "exec generation: how often this process called exec", Ja: "exec の世代"},
	{Number: 3, Go: "StartNS", Name: "start_ns", Type: Uint, Unit: "ns since boot", OS: AllOS, Source: Kernel, OCSF: "created_time", Hunt: "ProcessStart", Since: 1, En: "when the process started", Ja: "開始時刻"},
	{Number: 4, Go: "Path", Name: "path", Type: Text, OS: AllOS, Source: Kernel, OCSF: "file.path", Hunt: "FolderPath", Since: 1, En: "path of the image, from the file object", Ja: "実行ファイルのパス"},
	{Number: 5, Go: "CommandLine", Name: "command_line", Type: Text, OS: AllOS, Source: Kernel, OCSF: "cmd_line", Hunt: "CommandLine", Since: 1, En: "arguments joined by one space each, as the new image got them", Ja: "コマンドライン"},
	{Number: 6, Go: "Cwd", Name: "cwd", Type: Text, OS: AllOS, Source: Kernel, OCSF: "working_directory", Hunt: "CurrentDirectory", Since: 1, En: "working directory", Ja: "作業ディレクトリー"},
	{Number: 7, Go: "UserID", Name: "user_id", Type: Text, OS: AllOS, Source: Kernel, OCSF: "user.uid", Hunt: "AccountSid", Since: 1, En: "user id as text: 0 or a SID", Ja: "ユーザー ID(0 や SID)"},
	{Number: 8, Go: "UserName", Name: "user_name", Type: Text, OS: AllOS, Source: FileSrc, OCSF: "user.name", Hunt: "AccountName", Since: 1, En: "user name as the host knows it", Ja: "ユーザー名"},
	{Number: 9, Go: "EffectiveUserID", Name: "effective_user_id", Type: Text, OS: Linux | MacOS, Source: Kernel, OCSF: "user.euid", Hunt: "EffectiveUserId", Since: 1, En: "effective user id", Ja: "実効ユーザー ID"},
	{Number: 10, Go: "SessionID", Name: "session_id", Type: Text, OS: AllOS, Source: Kernel, OCSF: "session.uid", Hunt: "LogonId", Since: 1, En: "login session: audit session id or LogonId", Ja: "ログオンセッション"},
	{Number: 11, Go: "LoginUserID", Name: "login_user_id", Type: Text, OS: AllOS, Source: Kernel, OCSF: "session.credential_uid", Hunt: "LoginUserId", Since: 1, En: "user who logged on to that session; survives su and sudo", Ja: "そのセッションにログオンしたユーザー"},
	{Number: 12, Go: "TTY", Name: "tty", Type: Text, OS: Linux | MacOS, Source: Kernel, OCSF: "session.terminal", Hunt: "Terminal", Since: 1, En: "controlling terminal", Ja: "端末装置"},
	{Number: 13, Go: "ContainerID", Name: "container_id", Type: Text, OS: Linux, Source: Kernel, OCSF: "container.uid", Hunt: "ContainerId", Since: 1, En: "container id taken from the cgroup name", Ja: "コンテナ ID"},
	{Number: 14, Go: "SHA256", Name: "sha256", Type: Hash, OS: AllOS, Source: FileSrc, OCSF: "file.hashes", Hunt: "SHA256", Since: 1, En: "SHA-256 of the image", Ja: "実行ファイルの SHA-256"},
	{Number: 15, Go: "VolumeID", Name: "volume_id", Type: Text, OS: AllOS, Source: Kernel, Hunt: "VolumeId", Since: 1, En: "volume of the image: device number", Ja: "実行ファイルのボリューム"},
	{Number: 16, Go: "FileID", Name: "file_id", Type: Text, OS: AllOS, Source: Kernel, OCSF: "file.uid", Hunt: "FileId", Since: 1, En: "file id of the image: inode number", Ja: "実行ファイルのファイル ID"},
	{Number: 17, Go: "Interpreter", Name: "interpreter", Type: Text, OS: Linux | MacOS, Source: Kernel, Hunt: "Interpreter", Since: 1, En: "script that the kernel was asked to run, when the image is its interpreter", Ja: "実行を求められたスクリプト"},
	{Number: 18, Go: "Capabilities", Name: "capabilities", Type: Uint, OS: Linux, Source: Kernel, Hunt: "Capabilities", Since: 1, En: "effective capabilities, as bits", Ja: "実効ケーパビリティー"},
	{Number: 19, Go: "Cgroup", Name: "cgroup", Type: Text, OS: Linux, Source: Kernel, Hunt: "Cgroup", Since: 1, En: "last part of the cgroup's path: unit or container scope", Ja: "cgroup の末尾"},
	{Number: 20, Go: "Comm", Name: "comm", Type: Text, OS: Linux | MacOS, Source: Kernel, OCSF: "name", Hunt: "FileName", Since: 1, En: "kernel's short name of the process", Ja: "カーネルの短い名前"},
	{Number: 21, Go: "Integrity", Name: "integrity", Type: Text, OS: Windows, Source: Imported, OCSF: "integrity", Hunt: "ProcessIntegrityLevel", Since: 1, En: "integrity level", Ja: "整合性レベル"},
	{Number: 22, Go: "Domain", Name: "domain", Type: Text, OS: Windows | MacOS, Source: Imported, OCSF: "user.domain", Hunt: "AccountDomain", Since: 1, En: "domain of the user", Ja: "ドメイン"},
	{Number: 23, Go: "OriginalName", Name: "original_name", Type: Text, OS: Windows, Source: Imported, Hunt: "ProcessVersionInfoOriginalFileName", Since: 1, En: "original file name of the image's version resource", Ja: "元のファイル名"},
	{Number: 24, Go: "Product", Name: "product", Type: Text, OS: Windows, Source: Imported, Hunt: "ProcessVersionInfoProductName", Since: 1, En: "product of the version resource", Ja: "製品名"},
	{Number: 25, Go: "Company", Name: "company", Type: Text, OS: Windows, Source: Imported, OCSF: "file.company_name", Hunt: "ProcessVersionInfoCompanyName", Since: 1, En: "company of the version resource", Ja: "会社名"},
	{Number: 26, Go: "Description", Name: "description", Type: Text, OS: Windows, Source: Imported, OCSF: "file.desc", Hunt: "ProcessVersionInfoFileDescription", Since: 1, En: "description of the version resource", Ja: "説明"},
	{Number: 27, Go: "FileVersion", Name: "file_version", Type: Text, OS: Windows, Source: Imported, OCSF: "file.version", Hunt: "ProcessVersionInfoProductVersion", Since: 1, En: "file version of the version resource", Ja: "ファイルの版"},
	{Number: 28, Go: "SignatureState", Name: "signature_state", Type: Text, OS: Windows | MacOS, Source: Imported, OCSF: "file.signature.state", Hunt: "SignatureState", Since: 1, En: "signed, unsigned, invalid or unknown", Ja: "署名の状態"},
	{Number: 29, Go: "Signer", Name: "signer", Type: Text, OS: Windows | MacOS, Source: Imported, OCSF: "file.signature.certificate.subject", Hunt: "Signer", Since: 1, En: "who signed the image", Ja: "署名者"},
	{Number: 30, Go: "Invoked", Name: "invoked", Type: Text, OS: Linux | MacOS, Source: Kernel, Hunt: "InvokedPath", Since: 2, En: "path that the kernel was asked to run, when it is another than path: a link to the executable, or a script. Who runs it chooses this name", Ja: "カーネルが実行を求められたパス(path と異なる場合のみ)。実行ファイルへのリンクやスクリプト。この名前は実行する側が選べる"},
}}

var file = Shape{Go: "File", En: "File is a file as a kernel object names it. Path alone identifies nothing: compare VolumeID and FileID.", Fields: []Field{
	{Number: 0, Go: "Path", Name: "path", Type: Text, OS: AllOS, Source: Kernel, OCSF: "path", Hunt: "FolderPath", Since: 1, En: "full path", Ja: "フルパス"},
	{Number: 1, Go: "VolumeID", Name: "volume_id", Type: Text, OS: AllOS, Source: Kernel, Hunt: "VolumeId", Since: 1, En: "volume: device number", Ja: "ボリューム"},
	{Number: 2, Go: "FileID", Name: "id", Type: Text, OS: AllOS, Source: Kernel, OCSF: "uid", Hunt: "FileId", Since: 1, En: "file id: inode number", Ja: "ファイル ID"},
	{Number: 3, Go: "Size", Name: "size", Type: Uint, Unit: "bytes", OS: AllOS, Source: Kernel, OCSF: "size", Hunt: "FileSize", Since: 1, En: "size at the time of the event", Ja: "大きさ"},
	{Number: 4, Go: "Mode", Name: "mode", Type: Uint, OS: Linux | MacOS, Source: Kernel, OCSF: "xattributes", Hunt: "FileMode", Since: 1, En: "type and permission bits (stat st_mode)", Ja: "種別と権限"},
	{Number: 5, Go: "ModifiedTime", Name: "modified_time", Type: Int, Unit: "µs UTC", OS: AllOS, Source: Kernel, OCSF: "modified_time", Hunt: "ModifiedTime", Since: 1, En: "last change of its content", Ja: "更新時刻"},
	{Number: 6, Go: "SHA256", Name: "sha256", Type: Hash, OS: AllOS, Source: FileSrc, OCSF: "hashes", Hunt: "SHA256", Since: 1, En: "SHA-256 of its content", Ja: "SHA-256"},
	{Number: 7, Go: "OwnerID", Name: "owner_id", Type: Text, OS: AllOS, Source: Kernel, OCSF: "owner.uid", Hunt: "FileOwnerId", Since: 1, En: "owner as text", Ja: "所有者"},
	{Number: 8, Go: "Links", Name: "links", Type: Uint, OS: Linux | MacOS, Source: Kernel, Hunt: "LinkCount", Since: 1, En: "number of hard links", Ja: "ハードリンク数"},
}}

// Block is a run of top fields that mostly come together. The encoder asks for all of a block at once, and passes over
// one of which an event has nothing.
type Block struct {
	First int // number of its first field; it ends before the next block
	Name  string
}

// Blocks lists the blocks of Top, in order.
var Blocks = []Block{{1, "Head"}, {9, "Origin"}, {20, "End"}, {30, "Network"}, {40, "Query"}, {50, "Report"}, {70, "Log"}}

// Places lists the shapes of an event.
var Places = []Place{
	{Base: 100, Go: "Actor", Prefix: "actor", OCSF: "actor.process", Hunt: "InitiatingProcess", Shape: &process, En: "the process that did it; for process.exec the process after the exec", Ja: "行為したプロセス(process.exec では exec 後のプロセス)"},
	{Base: 150, Go: "Parent", Prefix: "parent", OCSF: "actor.process.parent_process", Hunt: "InitiatingProcessParent", Shape: &process, En: "the actor's parent", Ja: "その親プロセス"},
	{Base: 200, Go: "Target", Prefix: "target", OCSF: "process", Hunt: "Target", Shape: &process, En: "the process it was done to", Ja: "対象のプロセス"},
	{Base: 250, Go: "File", Prefix: "file", OCSF: "file", Hunt: "", Shape: &file, En: "the file it was done to; after a rename the new name", Ja: "対象のファイル(改名では新しい名前)"},
	{Base: 280, Go: "OldFile", Prefix: "old_file", OCSF: "file_diff", Hunt: "Previous", Shape: &file, En: "the file before a rename", Ja: "改名前のファイル"},
}

// Fields returns every field with its full number, Go path and name, in order of number. It is one list for all
// callers: they must not change it.
func Fields() []Field { return fields }

var fields = collect()

func collect() []Field {
	all := append([]Field(nil), Top...)
	for _, p := range Places {
		for _, f := range p.Shape.Fields {
			f.Number += p.Base
			f.Go = p.Go + "." + f.Go
			f.Name = p.Prefix + "_" + f.Name
			f.Hunt = p.Hunt + f.Hunt
			if f.OCSF != "" {
				f.OCSF = p.OCSF + "." + f.OCSF
			}
			all = append(all, f)
		}
	}
	return all
}
