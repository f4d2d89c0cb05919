package controldb

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/yagura-edr/yagura/internal/command"
	"github.com/yagura-edr/yagura/internal/response"
	"github.com/yagura-edr/yagura/internal/tenant"
)

// Response keeps commands, actions and operator lists: it implements response.Store.
type Response struct{ db *DB }

// Response gives the part of the database that package response uses.
func (db *DB) Response() *Response { return &Response{db: db} }

// AddCommand keeps a command with its actions; response.ErrDuplicate when its nonce is known.
func (r *Response) AddCommand(ctx context.Context, s response.Stored, actions []response.Action) error {
	signatures, err := json.Marshal(s.Signed.Signatures)
	if err != nil {
		return fmt.Errorf("encode signatures: %w", err)
	}
	return r.db.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO command (tenant_id, nonce, canonical, arguments, signatures) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, nonce) DO NOTHING`,
			s.Tenant.String(), s.Nonce, base64.StdEncoding.EncodeToString(s.Signed.Canonical), base64.StdEncoding.EncodeToString(s.Signed.Arguments), string(signatures))
		if err != nil {
			return fmt.Errorf("insert command: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return response.ErrDuplicate
		}
		for _, a := range actions {
			if err := saveAction(ctx, tx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// SaveAction inserts or updates an action.
func (r *Response) SaveAction(ctx context.Context, a response.Action) error {
	return r.db.tx(ctx, func(tx *sql.Tx) error { return saveAction(ctx, tx, a) })
}

func saveAction(ctx context.Context, tx *sql.Tx, a response.Action) error {
	signed := 0
	if a.ProofSigned {
		signed = 1
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO action (tenant_id, action_id, host_id, nonce, verb, class, target, state, actor, key_id, reason, incident_id, detail, proof, proof_signed, created, updated, expiry, until_time)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (tenant_id, action_id) DO UPDATE SET state = excluded.state, detail = excluded.detail, proof = excluded.proof, proof_signed = excluded.proof_signed, updated = excluded.updated, until_time = excluded.until_time`,
		a.Tenant.String(), a.ID, a.Host.String(), a.Nonce, string(a.Verb), a.Class, a.Target, string(a.State), a.Actor, a.KeyID, a.Reason, a.Incident, a.Detail, a.Proof, signed, a.Created, a.Updated, a.Expiry, a.Until); err != nil {
		return fmt.Errorf("save action %s: %w", a.ID, err)
	}
	return nil
}

const actionColumns = `SELECT tenant_id, action_id, host_id, nonce, verb, class, target, state, actor, key_id, reason, incident_id, detail, proof, proof_signed, created, updated, expiry, until_time FROM action `

// OpenActions reads the actions that wait for a last word.
func (r *Response) OpenActions(ctx context.Context) ([]response.Action, error) {
	return r.actions(ctx, actionColumns+`WHERE state IN ('queued', 'delivered', 'running')`)
}

// Actions lists a tenant's actions, newest first, or the one with an id.
func (r *Response) Actions(ctx context.Context, t tenant.ID, id string, limit int) ([]response.Action, error) {
	return r.actions(ctx, actionColumns+`WHERE tenant_id = $1 AND ($2 = '' OR action_id = $2) ORDER BY action_id DESC LIMIT $3`, t.String(), id, limit)
}

// Lasting reads of each host the newest done isolate or release, and the newest done maintenance.
func (r *Response) Lasting(ctx context.Context) ([]response.Action, error) {
	return r.actions(ctx, actionColumns+`AS a WHERE state = 'done' AND verb IN ('isolate', 'release', 'maintenance') AND NOT EXISTS
		(SELECT 1 FROM action AS b WHERE b.tenant_id = a.tenant_id AND b.host_id = a.host_id AND b.state = 'done' AND b.verb IN ('isolate', 'release', 'maintenance')
			AND (b.verb = 'maintenance') = (a.verb = 'maintenance') AND b.updated > a.updated)`)
}

func (r *Response) actions(ctx context.Context, query string, args ...any) ([]response.Action, error) {
	rows, err := r.db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read actions: %w", err)
	}
	defer rows.Close()
	var out []response.Action
	for rows.Next() {
		var a response.Action
		var t, h, verb, state string
		var signed int
		if err := rows.Scan(&t, &a.ID, &h, &a.Nonce, &verb, &a.Class, &a.Target, &state, &a.Actor, &a.KeyID, &a.Reason, &a.Incident, &a.Detail, &a.Proof, &signed, &a.Created, &a.Updated, &a.Expiry, &a.Until); err != nil {
			return nil, fmt.Errorf("read action: %w", err)
		}
		if a.Tenant, a.Host, err = names(t, h); err != nil {
			return nil, err
		}
		a.Verb, a.State, a.ProofSigned = command.Verb(verb), response.State(state), signed != 0
		out = append(out, a)
	}
	return out, done(rows, "actions")
}

// OpenCommands reads the commands that some action still waits for.
func (r *Response) OpenCommands(ctx context.Context) ([]response.Stored, error) {
	rows, err := r.db.read.QueryContext(ctx, `SELECT tenant_id, nonce, canonical, arguments, signatures FROM command AS c WHERE EXISTS
		(SELECT 1 FROM action AS a WHERE a.tenant_id = c.tenant_id AND a.nonce = c.nonce AND a.state IN ('queued', 'delivered', 'running'))`)
	if err != nil {
		return nil, fmt.Errorf("read commands: %w", err)
	}
	defer rows.Close()
	var out []response.Stored
	for rows.Next() {
		var s response.Stored
		var t, canonical, arguments, signatures string
		if err := rows.Scan(&t, &s.Nonce, &canonical, &arguments, &signatures); err != nil {
			return nil, fmt.Errorf("read command: %w", err)
		}
		if s.Tenant, err = tenant.Parse(t); err != nil {
			return nil, fmt.Errorf("read command: %w", err)
		}
		if s.Signed.Canonical, err = base64.StdEncoding.DecodeString(canonical); err != nil {
			return nil, fmt.Errorf("read command %s: %w", s.Nonce, err)
		}
		if s.Signed.Arguments, err = base64.StdEncoding.DecodeString(arguments); err != nil {
			return nil, fmt.Errorf("read command %s: %w", s.Nonce, err)
		}
		if err := json.Unmarshal([]byte(signatures), &s.Signed.Signatures); err != nil {
			return nil, fmt.Errorf("read command %s: %w", s.Nonce, err)
		}
		out = append(out, s)
	}
	return out, done(rows, "commands")
}

// SaveList keeps an operator list.
func (r *Response) SaveList(ctx context.Context, l response.List) error {
	if _, err := r.db.write.ExecContext(ctx, `INSERT INTO operator_list (tenant_id, generation, list) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, generation) DO NOTHING`,
		l.Tenant.String(), int64(l.Generation), base64.StdEncoding.EncodeToString(l.Bytes)); err != nil {
		return fmt.Errorf("insert operator list: %w", err)
	}
	return nil
}

// Lists reads the newest operator list of each tenant.
func (r *Response) Lists(ctx context.Context) ([]response.List, error) {
	rows, err := r.db.read.QueryContext(ctx, `SELECT tenant_id, generation, list FROM operator_list AS o WHERE generation = (SELECT max(generation) FROM operator_list AS n WHERE n.tenant_id = o.tenant_id)`)
	if err != nil {
		return nil, fmt.Errorf("read operator lists: %w", err)
	}
	defer rows.Close()
	var out []response.List
	for rows.Next() {
		var l response.List
		var t, list string
		if err := rows.Scan(&t, &l.Generation, &list); err != nil {
			return nil, fmt.Errorf("read operator list: %w", err)
		}
		if l.Tenant, err = tenant.Parse(t); err != nil {
			return nil, fmt.Errorf("read operator list: %w", err)
		}
		if l.Bytes, err = base64.StdEncoding.DecodeString(list); err != nil {
			return nil, fmt.Errorf("read operator list: %w", err)
		}
		out = append(out, l)
	}
	return out, done(rows, "operator lists")
}
