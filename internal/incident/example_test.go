package incident_test

import (
	"fmt"

	"github.com/yagura-edr/yagura/internal/incident"
)

// A story is built from events and detections alone.
func Example() {
	attack := played("web-shell")
	story := incident.FromEvents(attack.events, attack.dets, incident.Context{})
	fmt.Println(story.Entry.Route)
	for _, e := range story.Edges {
		if e.Kind == incident.EdgeDownloaded {
			fmt.Println(e.Kind, e.Basis, e.Confidence, "-", e.Reason.En)
		}
	}
	// Output:
	// exploited_service
	// downloaded_from observed high - the program wrote the file while this was its only open connection
}
