package incident_test

import (
	"strings"
	"testing"

	"github.com/yagura-edr/yagura/internal/detection"
	"github.com/yagura-edr/yagura/internal/event"
)

// What the sensor tells of itself no process did: the story says when, where and how all the same, and names nobody.
func TestStoryOfAnEventThatNobodyDid(t *testing.T) {
	tp := newTape(hostA)
	tp.detect(tp.add(event.Event{Kind: event.SensorCapability, Subject: "dns", State: "blind"}), "sight taken away", detection.High, "T1562.001")
	s := tp.story()
	for _, a := range s.Answers {
		switch a.Answer {
		case "when", "where", "how":
			for _, sentence := range a.Sentences {
				if len(sentence.EventIDs) == 0 || strings.Contains(sentence.Text.En, "pid") || strings.Contains(sentence.Text.En, "processes") {
					t.Errorf("%s: %q cites %v", a.Answer, sentence.Text.En, sentence.EventIDs)
				}
			}
		}
	}
	if len(s.Answers) == 0 {
		t.Error("no answers")
	}
}
