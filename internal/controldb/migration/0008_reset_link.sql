-- min_binary: 0.1.0
-- +goose Up
ALTER TABLE access_link ADD COLUMN reset BIGINT NOT NULL DEFAULT 0;
