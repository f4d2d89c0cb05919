package decode

import (
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// answer writes the part of a resource record that says where a name leads; empty for the rest.
func answer(body dnsmessage.ResourceBody) string {
	switch r := body.(type) {
	case *dnsmessage.AResource:
		return netip.AddrFrom4(r.A).String()
	case *dnsmessage.AAAAResource:
		return netip.AddrFrom16(r.AAAA).String()
	case *dnsmessage.CNAMEResource:
		return plain(r.CNAME)
	case *dnsmessage.PTRResource:
		return plain(r.PTR)
	case *dnsmessage.NSResource:
		return plain(r.NS)
	case *dnsmessage.MXResource:
		return plain(r.MX)
	case *dnsmessage.SRVResource:
		return plain(r.Target)
	case *dnsmessage.TXTResource:
		return strings.Join(r.TXT, "")
	}
	return ""
}
