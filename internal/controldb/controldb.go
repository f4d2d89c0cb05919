// Package controldb keeps everything that is not an event: hosts, tokens, watermarks, the manifest,
// detections, incidents, users, coverage. It implements the storage interfaces that the domain packages
// declare, one file for each of them, over SQLite; statements use $1 parameters and portable SQL, so
// that PostgreSQL can stand behind the same files. Only cmd/yagura opens it; the server process alone
// holds it.
package controldb

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the embedded database driver
)

//go:embed migration/*.sql
var migrations embed.FS

// DB is the control database. Its methods may be called from many goroutines; writes are serialised
// by the one write connection, since SQLite has one writer.
type DB struct {
	write *sql.DB
	read  *sql.DB
}

// Open opens or makes the database at path and brings it to the newest migration. Migrations go
// forward only; a database that is newer than this binary is refused before anything is written.
func Open(ctx context.Context, path string) (*DB, error) {
	dsn := "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_txlock=immediate"
	write, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open control database %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open control database %s: %w", path, err)
	}
	read.SetMaxOpenConns(4)
	db := &DB{write: write, read: read}
	if err := db.migrate(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("control database %s: %w", path, err)
	}
	return db, nil
}

func (db *DB) migrate(ctx context.Context) error {
	dir, err := fs.Sub(migrations, "migration")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db.write, dir)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read its version: %w", err)
	}
	all := provider.ListSources()
	if newest := all[len(all)-1].Version; have > newest {
		return fmt.Errorf("it was written by a newer yagura (schema %d, this binary knows %d): use that version or restore a backup", have, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Close closes the database.
func (db *DB) Close() error {
	if err := db.read.Close(); err != nil {
		return fmt.Errorf("close control database: %w", err)
	}
	if err := db.write.Close(); err != nil {
		return fmt.Errorf("close control database: %w", err)
	}
	return nil
}

// tx runs f in one write transaction.
func (db *DB) tx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
