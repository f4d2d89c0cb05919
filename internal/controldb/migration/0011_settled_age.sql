-- min_binary: 0.1.0
-- +goose Up
-- When what is settled of a lane last changed (µs UTC): of a host with very many streams the oldest are forgotten.
ALTER TABLE sealed ADD COLUMN touched BIGINT NOT NULL DEFAULT 0;
CREATE INDEX sealed_touched ON sealed (tenant_id, host_id, touched);
