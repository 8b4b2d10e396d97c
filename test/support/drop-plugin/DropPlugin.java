package consistent;

import java.lang.reflect.Proxy;
import java.util.Map;
import org.elasticsearch.ingest.AbstractProcessor;
import org.elasticsearch.ingest.ConfigurationUtils;
import org.elasticsearch.ingest.IngestDocument;
import org.elasticsearch.ingest.Processor;
import org.elasticsearch.plugins.IngestPlugin;
import org.elasticsearch.plugins.Plugin;

/**
 * The `drop` processor does what Elasticsearch's own does, with a simple condition. The build of Elasticsearch that tests start without
 * Docker has no ingest processors. drop.jar is this file, for Java 17:
 *
 *   javac --release 17 -cp "$ES_HOME/lib/*" -d out DropPlugin.java && jar --create --file drop.jar -C out .
 */
public class DropPlugin extends Plugin implements IngestPlugin {
  @Override
  public Map<String, Processor.Factory> getProcessors(Processor.Parameters parameters) {
    // Elasticsearch 8 and 9 give `create` different parameters; its first four are the same.
    Object factory = Proxy.newProxyInstance(
      DropPlugin.class.getClassLoader(),
      new Class<?>[] { Processor.Factory.class },
      (proxy, method, given) -> create((String) given[1], (String) given[2], (Map<String, Object>) given[3]));
    return Map.of("drop_where", (Processor.Factory) factory);
  }

  private static Processor create(String tag, String description, Map<String, Object> config) {
    String field = ConfigurationUtils.readStringProperty("drop_where", tag, config, "field");
    String value = ConfigurationUtils.readStringProperty("drop_where", tag, config, "value");
    return new AbstractProcessor(tag, description) {
      @Override
      public IngestDocument execute(IngestDocument document) {
        boolean drops = document.hasField(field) && value.equals(document.getFieldValue(field, Object.class));
        return drops ? null : document;
      }

      @Override
      public String getType() {
        return "drop_where";
      }
    };
  }
}
