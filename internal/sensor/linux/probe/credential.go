package probe

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/yagura-edr/yagura/internal/sensor/linux/frozen"
)

// Credential names a file that holds secrets: opening one for reading is reported as file.read_credential.
type Credential struct {
	Name  string // last component of the path, at most 47 bytes
	Under string // name of the folder it must lie in, at most 15 bytes; empty for any
	// Within is what the folders above must have in their path; empty for nothing. The kernel side knows one folder by its name,
	// and that is chance where a volume keeps its files in dated folders behind links, or where a mount begins.
	Within string
}

// DefaultCredentials are account databases, private keys, cloud and tool tokens, browser and keyring stores.
var DefaultCredentials = []Credential{
	{Name: "shadow"},
	{Name: "shadow-"},
	{Name: "gshadow"},
	{Name: "gshadow-"},
	{Name: "opasswd"},
	{Name: "id_rsa"},
	{Name: "id_dsa"},
	{Name: "id_ecdsa"},
	{Name: "id_ecdsa_sk"},
	{Name: "id_ed25519"},
	{Name: "id_ed25519_sk"},
	{Name: "ssh_host_rsa_key"},
	{Name: "ssh_host_ecdsa_key"},
	{Name: "ssh_host_ed25519_key"},
	{Name: "secring.gpg"},
	{Name: "krb5.keytab"},
	{Name: "credentials"},
	{Name: "credentials.db"},
	{Name: "access_tokens.db"},
	{Name: "application_default_credentials.json"},
	{Name: "accessTokens.json"},
	{Name: "msal_token_cache.json"},
	{Name: ".netrc"},
	{Name: ".pgpass"},
	{Name: ".my.cnf"},
	{Name: ".git-credentials"},
	{Name: ".npmrc"},
	{Name: ".pypirc"},
	{Name: ".vault-token"},
	{Name: "config", Under: ".kube"},
	{Name: "config.json", Under: ".docker"},
	{Name: "hosts.yml", Under: "gh"},
	{Name: "token", Within: "/kubernetes.io"}, // of a pod, as the pod sees it (…/serviceaccount/) and as its host does (…~projected/)
	{Name: "Login Data"},
	{Name: "Login Data For Account"},
	{Name: "Cookies"},
	{Name: "Web Data"},
	{Name: "Local State"},
	{Name: "cookies.sqlite"},
	{Name: "logins.json"},
	{Name: "key4.db"},
	{Name: "key3.db"},
	{Name: "signons.sqlite"},
	{Name: "login.keyring"},
	{Name: "Default_keyring.keyring"},
	{Name: "user.keystore"},
	{Name: "kdewallet.kwl"},
	{Name: "wallet.dat"},
}

const (
	secretName  = 48
	secretUnder = 16
)

// fillSecrets gives the kernel side the names of credential files.
func fillSecrets(p *Probe, c *ebpf.Collection) error {
	names := map[[secretName]byte][secretUnder]byte{}
	for _, credential := range p.opts.Credentials {
		var name [secretName]byte
		var under [secretUnder]byte
		if len(credential.Name) >= secretName || len(credential.Under) >= secretUnder {
			return fmt.Errorf("credential name %q under %q: at most %d and %d bytes", credential.Name, credential.Under, secretName-1, secretUnder-1)
		}
		copy(name[:], credential.Name)
		copy(under[:], credential.Under)
		names[name] = under
	}
	if err := frozen.Fill(c.Maps["secrets"], names); err != nil {
		return fmt.Errorf("watch credential names: %w", err)
	}
	return nil
}
