package config_test

import (
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/config"
	"github.com/yagura-edr/yagura/internal/settings"
)

// A hostname that no sensor can use was taken, and ended up in tokens as https://[https://yagura.lab]:41009.
func TestHostnameIsTheNameOfAMachine(t *testing.T) {
	for name, good := range map[string]bool{
		"edr.example.com": true, "yagura": true, "10.0.2.2": true, "fd00::7": true, "h-1.lab": true, "": true, "xn--eckwd4c7c.example": true,
		"https://yagura.lab": false, "yagura.lab:443": false, "a b": false, "*.lab": false, "yagura.lab/": false, "-a.lab": false, "a..b": false, "user@lab": false,
		"0.0.0.0": false, "::": false, "300.1.2.3": false, "[fd00::7]": false, "fe80::1%eth0": false, "_x.lab": false, strings.Repeat("a", 64) + ".lab": false,
	} {
		_, err := config.Load(settings.Input{Flags: map[string][]string{"hostname": {name}}})
		if (err == nil) != good {
			t.Errorf("hostname %q: %v", name, err)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "--hostname: ") || !strings.Contains(settings.Explain(err, "ja"), "マシンの名前")) {
			t.Errorf("hostname %q: the error does not say where and what: %v / %s", name, err, settings.Explain(err, "ja"))
		}
	}
}

// config check called a configuration good in which other hosts are sent to an address that only this one can reach.
func TestCheckSeesThatOtherHostsCannotCome(t *testing.T) {
	for _, c := range []struct {
		listen, name string
		problems     int
	}{{"127.0.0.1:8444", "edr.example.com", 1}, {"0.0.0.0:8444", "edr.example.com", 0}, {"127.0.0.1:8444", "", 0}, {"127.0.0.1:8444", "localhost", 0}} {
		conf, err := config.Load(settings.Input{Flags: map[string][]string{"hostname": {c.name}, "sensor-listen": {c.listen}}})
		if err != nil {
			conf, err = config.Load(settings.Input{Flags: map[string][]string{"hostname": {c.name}, "sensor_listen": {c.listen}}})
		}
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, p := range conf.Check() {
			if p.Key == "sensor_listen" {
				n++
			}
		}
		if n != c.problems {
			t.Errorf("%+v: %d problems", c, n)
		}
	}
}
