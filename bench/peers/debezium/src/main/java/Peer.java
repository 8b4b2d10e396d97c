import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Debezium's embedded engine with the bulk sink that people write around it: every batch that the engine hands over goes
 * in bulks of at most 500, one at a time. No versions, no retries, and it remembers no position.
 */
public class Peer {
  static final int BULK_ROWS = 500;
  static long rows = 0;

  static String env(String name) {
    String value = System.getenv(name);
    return value == null ? "" : value;
  }

  static void mark(String name) {
    System.out.println("MARK " + name + " " + System.currentTimeMillis() + " " + rows);
    System.out.flush();
  }

  /** Kafka Connect's offset store in memory, as if the engine had stopped where the backlog begins. */
  public static class SeededOffsets extends org.apache.kafka.connect.storage.MemoryOffsetBackingStore {
    @Override
    public void start() {
      super.start();
      String key = "[\"peer\",{\"server\":\"peer\"}]";
      String value = "{\"file\":\"" + env("BINLOG_FILE") + "\",\"pos\":" + env("BINLOG_POSITION") + ",\"ts_sec\":0,\"gtids\":\""
          + env("GTID_SET") + "\"}";
      data.put(ByteBuffer.wrap(key.getBytes(StandardCharsets.UTF_8)), ByteBuffer.wrap(value.getBytes(StandardCharsets.UTF_8)));
    }

    @Override
    public Set<Map<String, Object>> connectorPartitions(String connector) {
      return Set.of();
    }
  }

  static void quoted(StringBuilder line, String text) {
    line.append('"');
    for (int at = 0; at < text.length(); at++) {
      char c = text.charAt(at);
      if (c == '"' || c == '\\') line.append('\\').append(c);
      else if (c < 32) line.append(String.format("\\u%04x", (int) c));
      else line.append(c);
    }
    line.append('"');
  }

  static void append(StringBuilder body, Struct row) {
    long id = row.getInt64("id");
    body.append("{\"index\":{\"_id\":\"").append(id).append("\"}}\n{\"id\":\"").append(id).append("\",\"sku\":");
    quoted(body, row.getString("sku"));
    body.append(",\"title\":");
    quoted(body, row.getString("title"));
    body.append(",\"price\":").append(row.getString("price")).append(",\"stock\":").append(row.getInt32("stock"));
    body.append(",\"attrs\":").append(row.getString("attrs"));
    body.append(",\"updatedAt\":\"").append(Instant.ofEpochMilli(row.getInt64("updatedAt"))).append("\"}\n");
  }

  static void send(HttpClient http, URI bulk, StringBuilder body) {
    try {
      HttpRequest request = HttpRequest.newBuilder(bulk).header("content-type", "application/x-ndjson")
          .POST(HttpRequest.BodyPublishers.ofString(body.toString())).build();
      HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
      if (answer.statusCode() != 200 || answer.body().substring(0, 60).contains("\"errors\":true")) {
        throw new IllegalStateException(answer.body().substring(0, Math.min(600, answer.body().length())));
      }
      body.setLength(0);
    } catch (Exception error) {
      error.printStackTrace();
      System.exit(1);
    }
  }

  static Properties settings() {
    Properties settings = new Properties();
    settings.setProperty("name", "peer");
    settings.setProperty("connector.class", "io.debezium.connector.mysql.MySqlConnector");
    settings.setProperty("offset.storage", SeededOffsets.class.getName());
    settings.setProperty("offset.flush.interval.ms", "60000");
    settings.setProperty("schema.history.internal", "io.debezium.relational.history.MemorySchemaHistory");
    settings.setProperty("topic.prefix", "peer");
    settings.setProperty("database.hostname", env("MYSQL_HOST"));
    settings.setProperty("database.port", env("MYSQL_PORT"));
    settings.setProperty("database.user", "root");
    settings.setProperty("database.password", "");
    settings.setProperty("database.server.id", "90003");
    settings.setProperty("database.include.list", env("DATABASE"));
    settings.setProperty("table.include.list", env("DATABASE") + ".consistent_product");
    settings.setProperty("snapshot.mode", "recovery");
    settings.setProperty("decimal.handling.mode", "string");
    settings.setProperty("tombstones.on.delete", "false");
    settings.setProperty("include.schema.changes", "false");
    if (!env("POLL_INTERVAL_MS").isEmpty()) settings.setProperty("poll.interval.ms", env("POLL_INTERVAL_MS"));
    return settings;
  }

  public static void main(String[] arguments) throws Exception {
    long wanted = Long.parseLong(env("ROWS"));
    HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    URI bulk = URI.create(env("ELASTICSEARCH_URL") + "/" + env("INDEX") + "/_bulk");
    CountDownLatch done = new CountDownLatch(1);
    DebeziumEngine<RecordChangeEvent<SourceRecord>> engine = DebeziumEngine.create(ChangeEventFormat.of(Connect.class))
        .using(settings())
        .notifying((batch, committer) -> {
          if (rows == 0) mark("first");
          StringBuilder body = new StringBuilder();
          int waiting = 0;
          for (RecordChangeEvent<SourceRecord> change : batch) {
            if (change.record().value() instanceof Struct value && value.schema().field("after") != null
                && value.getStruct("after") != null) {
              rows++;
              append(body, value.getStruct("after"));
              if (++waiting == BULK_ROWS) {
                send(http, bulk, body);
                waiting = 0;
              }
            }
            committer.markProcessed(change);
          }
          if (waiting > 0) send(http, bulk, body);
          committer.markBatchFinished();
          if (wanted > 0 && rows >= wanted) done.countDown();
        })
        .using((ok, message, error) -> {
          if (ok) return;
          System.err.println(message);
          if (error != null) error.printStackTrace();
          System.exit(1);
        }).build();
    mark("start");
    Thread thread = new Thread(engine);
    thread.setDaemon(true);
    thread.start();
    done.await();
    mark("done");
    // Stays a moment: whoever started it reads its peak memory first.
    Thread.sleep(60_000);
  }
}
