package config

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/yagura-edr/yagura/internal/settings"
)

// wrongHost is the form of hostname.
func wrongHost(text string) *settings.Mistake {
	if text == "" || isHost(text) {
		return nil
	}
	return settings.Wrong("%q is no name or address of a machine: give edr.example.com or 192.0.2.7, without https:// and port", "%q はマシンの名前でもアドレスでもありません。edr.example.com や 192.0.2.7 のように、https:// とポートを付けずに指定してください", text)
}

var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// isHost says whether text is the name or the address of one machine, as a certificate can carry it and a URL can name it.
func isHost(text string) bool {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Zone() == "" && !ip.IsUnspecified()
	}
	if len(text) > 253 {
		return false
	}
	labels := strings.Split(text, ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			return false
		}
	}
	_, err := strconv.Atoi(labels[len(labels)-1]) // 300.1.2.3 is an address that was mistyped
	return err != nil
}
