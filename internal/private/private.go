// Package private opens folders that belong to this program's user alone: a data folder that somebody else prepared
// with links inside would make a program that runs as root write over files of that person's choosing. Both programs
// call it before they write anything below --data, and before they speak to what listens there. It knows nothing of
// what the folders hold.
package private

import "errors"

// ErrForeign says that a folder, or something inside, is not of this user alone.
var ErrForeign = errors.New("it is not this user's alone")

// Worker is the user as whom workers of a server that runs as root run when its data folder is root's, too: a number that
// no distribution gives to anybody (systemd's UIDS-GIDS: unused above the container range). What it owns in root's
// folder, root gave to it.
const Worker = 1_900_000_026
