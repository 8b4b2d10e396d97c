// go-mysql's canal with the bulk sink that people write around it: one bulk in flight, at most BULK rows each, sent as
// soon as the one before is acknowledged. No versions, no retries, and it remembers no position.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-mysql-org/go-mysql/canal"
	"github.com/go-mysql-org/go-mysql/mysql"
)

const bulkRows = 500

type product struct {
	ID        string          `json:"id"`
	SKU       string          `json:"sku"`
	Title     string          `json:"title"`
	Price     json.Number     `json:"price"`
	Stock     int64           `json:"stock"`
	Attrs     json.RawMessage `json:"attrs"`
	UpdatedAt string          `json:"updatedAt"`
}

type handler struct {
	canal.DummyEventHandler
	rows  int
	queue chan *product
}

func mark(name string, rows int) { fmt.Printf("MARK %s %d %d\n", name, time.Now().UnixMilli(), rows) }

func number(value any) int64 {
	switch known := value.(type) {
	case int64:
		return known
	case int32:
		return int64(known)
	}
	panic(fmt.Sprintf("unexpected %T", value))
}

func text(value any) string {
	switch known := value.(type) {
	case string:
		return known
	case []byte:
		return string(known)
	}
	return fmt.Sprint(value)
}

func (h *handler) OnRow(event *canal.RowsEvent) error {
	step, first := 1, 0
	if event.Action == canal.UpdateAction {
		step, first = 2, 1
	}
	if h.rows == 0 {
		mark("first", 0)
	}
	for at := first; at < len(event.Rows); at += step {
		row := event.Rows[at]
		h.rows++
		updatedAt := strings.Replace(text(row[6]), " ", "T", 1) + "Z"
		h.queue <- &product{strconv.FormatInt(number(row[0]), 10), text(row[1]), text(row[2]), json.Number(text(row[3])), number(row[4]), json.RawMessage(text(row[5])), updatedAt}
	}
	return nil
}

func send(client *http.Client, url string, body []byte) {
	answer, err := client.Post(url, "application/x-ndjson", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	read, _ := io.ReadAll(answer.Body)
	var head struct{ Errors bool }
	if err := json.Unmarshal(read, &head); err != nil || head.Errors || answer.StatusCode != 200 {
		panic(string(read[:min(len(read), 600)]))
	}
}

func (h *handler) sink(url string, wanted int, done chan struct{}) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true}}
	var body bytes.Buffer
	for acknowledged := 0; wanted == 0 || acknowledged < wanted; {
		next := <-h.queue
		body.Reset()
		rows := 0
		for next != nil {
			document, err := json.Marshal(next)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(&body, `{"index":{"_id":"%s"}}`+"\n", next.ID)
			body.Write(document)
			body.WriteByte('\n')
			next = nil
			if rows++; rows < bulkRows {
				select {
				case next = <-h.queue:
				default:
				}
			}
		}
		send(client, url, body.Bytes())
		acknowledged += rows
	}
	close(done)
}

func main() {
	position, _ := strconv.Atoi(os.Getenv("BINLOG_POSITION"))
	wanted, _ := strconv.Atoi(os.Getenv("ROWS"))
	config := canal.NewDefaultConfig()
	config.Addr = os.Getenv("MYSQL_HOST") + ":" + os.Getenv("MYSQL_PORT")
	config.User, config.Password = "root", ""
	config.ServerID = 90_002
	config.Dump.ExecutionPath = ""
	config.IncludeTableRegex = []string{"^" + os.Getenv("DATABASE") + "\\.consistent_product$"}
	config.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	reader, err := canal.NewCanal(config)
	if err != nil {
		panic(err)
	}
	h := &handler{queue: make(chan *product, 2*bulkRows)}
	reader.SetEventHandler(h)
	done := make(chan struct{})
	go h.sink(os.Getenv("ELASTICSEARCH_URL")+"/"+os.Getenv("INDEX")+"/_bulk", wanted, done)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	mark("start", 0)
	go func() {
		if err := reader.RunFrom(mysql.Position{Name: os.Getenv("BINLOG_FILE"), Pos: uint32(position)}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	select {
	case <-done:
	case <-signals:
	}
	mark("done", h.rows)
	// Stays a moment: whoever started it reads its peak memory first.
	<-signals
}
