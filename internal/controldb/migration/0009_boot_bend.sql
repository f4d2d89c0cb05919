-- min_binary: 0.1.0
-- +goose Up
ALTER TABLE host_boot ADD COLUMN bends TEXT NOT NULL DEFAULT 'null';
