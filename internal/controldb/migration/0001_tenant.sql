-- min_binary: 0.1.0
-- +goose Up
CREATE TABLE tenant (
    tenant_id TEXT   NOT NULL PRIMARY KEY,
    name      TEXT   NOT NULL,
    created   BIGINT NOT NULL
);
