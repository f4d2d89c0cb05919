-- min_binary: 0.1.0
-- +goose Up
CREATE TABLE tenant (
    tenant_id TEXT   NOT NULL PRIMARY KEY,
    name      TEXT   NOT NULL,
    created   BIGINT NOT NULL
);
CREATE TABLE host (
    tenant_id    TEXT   NOT NULL,
    host_id      TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    os           TEXT   NOT NULL,
    kernel       TEXT   NOT NULL,
    version      TEXT   NOT NULL,
    machine      TEXT   NOT NULL,
    enrolled     BIGINT NOT NULL,
    last_seen    BIGINT NOT NULL,
    revoked      BIGINT NOT NULL,
    boot         TEXT   NOT NULL,
    clock_skew   BIGINT NOT NULL,
    spool_events BIGINT NOT NULL,
    spool_bytes  BIGINT NOT NULL,
    addresses    TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, host_id)
);
CREATE TABLE host_boot (
    tenant_id TEXT   NOT NULL,
    host_id   TEXT   NOT NULL,
    boot_id   TEXT   NOT NULL,
    clock     BIGINT NOT NULL,
    seen      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, host_id, boot_id)
);
CREATE TABLE enrol_token (
    tenant_id  TEXT   NOT NULL,
    token_id   TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    uses_left  BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, token_id)
);
CREATE TABLE quarantine (
    tenant_id     TEXT   NOT NULL,
    host_id       TEXT   NOT NULL,
    quarantine_id TEXT   NOT NULL,
    stream        TEXT   NOT NULL,
    lane          BIGINT NOT NULL,
    first_seq     BIGINT NOT NULL,
    events        BIGINT NOT NULL,
    received      BIGINT NOT NULL,
    lost          BIGINT NOT NULL,
    reason        TEXT   NOT NULL,
    file          TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, host_id, quarantine_id)
);
CREATE TABLE coverage (
    tenant_id   TEXT   NOT NULL,
    host_id     TEXT   NOT NULL,
    coverage_id TEXT   NOT NULL,
    class       TEXT   NOT NULL,
    from_time   BIGINT NOT NULL,
    to_time     BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    lost        BIGINT NOT NULL,
    reason      TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, host_id, coverage_id)
);
CREATE INDEX coverage_time ON coverage (tenant_id, to_time);
CREATE TABLE canary_proof (
    tenant_id TEXT   NOT NULL,
    host_id   TEXT   NOT NULL,
    proven    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, host_id)
);
CREATE TABLE fault (
    tenant_id  TEXT   NOT NULL,
    host_id    TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    class      TEXT   NOT NULL,
    severity   BIGINT NOT NULL,
    what_en    TEXT   NOT NULL,
    what_ja    TEXT   NOT NULL,
    fix_en     TEXT   NOT NULL,
    fix_ja     TEXT   NOT NULL,
    since      BIGINT NOT NULL,
    until_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, host_id, kind, since)
);
CREATE TABLE operator_list (
    tenant_id  TEXT   NOT NULL,
    generation BIGINT NOT NULL,
    list       TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, generation)
);
CREATE TABLE command (
    tenant_id  TEXT NOT NULL,
    nonce      TEXT NOT NULL,
    canonical  TEXT NOT NULL,
    arguments  TEXT NOT NULL,
    signatures TEXT NOT NULL,
    PRIMARY KEY (tenant_id, nonce)
);
CREATE TABLE action (
    tenant_id    TEXT   NOT NULL,
    action_id    TEXT   NOT NULL,
    host_id      TEXT   NOT NULL,
    nonce        TEXT   NOT NULL,
    verb         TEXT   NOT NULL,
    class        TEXT   NOT NULL,
    target       TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    actor        TEXT   NOT NULL,
    key_id       TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    incident_id  TEXT   NOT NULL,
    detail       TEXT   NOT NULL,
    proof        TEXT   NOT NULL,
    proof_signed BIGINT NOT NULL,
    created      BIGINT NOT NULL,
    updated      BIGINT NOT NULL,
    expiry       BIGINT NOT NULL,
    until_time   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, action_id)
);
CREATE INDEX action_state ON action (tenant_id, state);
