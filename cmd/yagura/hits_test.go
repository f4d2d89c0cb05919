package main

import (
	"context"
	"testing"

	"github.com/yagura-edr/yagura/internal/detect"
	"github.com/yagura-edr/yagura/internal/fleet"
	"github.com/yagura-edr/yagura/internal/sigma"
	"github.com/yagura-edr/yagura/internal/tenant"
)

type storedHits map[string]uint64

func (storedHits) List(context.Context, detect.Query) (detect.Page, error) { return detect.Page{}, nil }

func (h storedHits) RuleHits(context.Context, tenant.ID, int64) (map[string]uint64, error) {
	return h, nil
}

// After a restart every rule showed 0 hits although their detections were stored: no data looked like zero.
func TestRuleHitsAreThoseStoredNotThoseSinceTheStart(t *testing.T) {
	const id = "00000000-0000-4000-8000-000000000001"
	b := sigma.NewBuilder()
	b.Add("a.yml", []byte("title: a\nid: "+id+"\nlogsource: {product: linux, category: process_creation}\ndetection: {s: {Image: /bin/x}, condition: s}\nlevel: high\nauthor: t\n"))
	back := &detectionsBack{kept: storedHits{id: 122}, engine: detect.New(detect.Options{Rules: b.Build()}), fleet: &fleet.Fleet{}}
	r, err := back.Rules(t.Context(), tenant.ID{})
	if err != nil || len(r.GetRules()) != 1 || r.GetRules()[0].GetHits() != 122 {
		t.Errorf("Rules = %v, %v; want 122 hits of the one rule", r, err)
	}
}
