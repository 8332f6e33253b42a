// The shop of the example: a page that needs its database and its cache, a worker, a migration, and a page for
// administrators. What a deployment gives it (settings, secrets, files, names of its neighbours) can be read off
// the page, one `key: value` a line.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	command, arguments := "", []string(nil)
	if len(os.Args) > 1 {
		command, arguments = os.Args[1], os.Args[2:]
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	run := map[string]func(context.Context, []string) error{
		"api": api, "healthcheck": healthcheck, "worker": worker, "migrate": migrate, "administration": administration,
	}[command]
	if run == nil {
		log.Fatalf("shop: unknown command %q", command)
	}
	if err := run(ctx, arguments); err != nil {
		log.Fatalf("shop %s: %v", command, err)
	}
}

func setting(name, otherwise string) string {
	if value, set := os.LookupEnv(name); set {
		return value
	}
	return otherwise
}

// serve answers until it is told to stop, and then finishes what it has begun.
func serve(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(last)
}

func api(ctx context.Context, _ []string) error {
	database, err := openDatabase()
	if err != nil {
		return err
	}
	var cache Cache
	healthy := func(w http.ResponseWriter, r *http.Request) {
		err := database.PingContext(r.Context())
		if err == nil {
			_, err = cache.Do("PING")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "fine")
	}
	pages := http.NewServeMux()
	pages.HandleFunc("GET /healthy", healthy)
	pages.HandleFunc("GET /health", healthy)
	pages.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		if _, err := cache.Do("LPUSH", "queue:orders", r.FormValue("of")); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	pages.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var product string
		var migrations, orders int
		err := database.QueryRowContext(r.Context(), `SELECT (SELECT name FROM products LIMIT 1),
			(SELECT count(*) FROM migrations), (SELECT count(*) FROM orders)`).Scan(&product, &migrations, &orders)
		if err != nil {
			http.Error(w, "database: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		hits, err := cache.Do("INCR", "hits")
		if err != nil {
			http.Error(w, "cache: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		features := struct{ Checkout string }{"none"}
		if content, err := os.ReadFile("/etc/shop/features.json"); err == nil {
			if err := json.Unmarshal(content, &features); err != nil {
				features.Checkout = err.Error()
			}
		}
		host, _ := os.Hostname()
		for _, line := range [][2]any{
			{"greeting", setting("GREETING", "")}, {"version", setting("SHOP_EDITION", "unknown")},
			{"product", product}, {"migrations", migrations}, {"orders", orders}, {"hits", hits},
			{"checkout", features.Checkout}, {"currency", setting("CURRENCY", "")},
			{"log level", setting("LOG_LEVEL", "")}, {"host", host},
		} {
			fmt.Fprintf(w, "%s: %v\n", line[0], line[1])
		}
	})
	return serve(ctx, ":8000", pages)
}

func healthcheck(context.Context, []string) error {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get("http://127.0.0.1:8000/healthy")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// worker takes orders from its queue in the cache and writes them into the database, which may both be absent for
// a while.
func worker(ctx context.Context, arguments []string) error {
	if len(arguments) != 2 || arguments[0] != "--queue" {
		return errors.New("which --queue?")
	}
	database, err := openDatabase()
	if err != nil {
		return err
	}
	log.Printf("worker: works on %s", arguments[1])
	var cache Cache
	for {
		order, err := cache.Do("RPOP", "queue:"+arguments[1])
		if err == nil && order != "" {
			log.Printf("worker: order of %s", order)
			if _, err = database.ExecContext(ctx, "INSERT INTO orders (product) VALUES ($1)", order); err != nil {
				cache.Do("RPUSH", "queue:"+arguments[1], order)
			}
		}
		if err != nil {
			log.Printf("worker: %v", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// migrate leaves one more row in `migrations` each time it runs. A name that was published a moment ago may need a
// few seconds until it leads somewhere; a database that is not there at all is an error.
func migrate(ctx context.Context, _ []string) error {
	database, err := openDatabase()
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		if err = database.PingContext(ctx); err == nil {
			break
		}
		if attempt == 5 {
			return err
		}
		time.Sleep(time.Second)
	}
	transaction, err := database.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer transaction.Rollback()
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS migrations (id serial PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())`,
		`CREATE TABLE IF NOT EXISTS products (name text PRIMARY KEY)`,
		`CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, product text NOT NULL)`,
		`INSERT INTO products VALUES ('lamp') ON CONFLICT DO NOTHING`,
		`INSERT INTO migrations DEFAULT VALUES`,
	} {
		if _, err := transaction.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if err := transaction.Commit(); err != nil {
		return err
	}
	log.Print("migrate: done")
	return nil
}

// administration says which server it would administrate, and whether that can be reached.
func administration(ctx context.Context, _ []string) error {
	server := setting("ADMINER_DEFAULT_SERVER", "database")
	return serve(ctx, ":8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connection, err := net.DialTimeout("tcp", net.JoinHostPort(server, "5432"), time.Second)
		if err == nil {
			connection.Close()
		}
		fmt.Fprintf(w, "server: %s\nreachable: %t\n", server, err == nil)
	}))
}
