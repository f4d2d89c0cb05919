-- min_binary: 0.1.0
-- +goose Up
-- The public half of each tenant's authority key. The private half never meets the server.
CREATE TABLE tenant_authority (
    tenant_id  TEXT   NOT NULL PRIMARY KEY REFERENCES tenant (tenant_id),
    public_key BLOB   NOT NULL,
    created    BIGINT NOT NULL
);
