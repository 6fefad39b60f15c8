// Speed of Lucene, driven by lucene_bench.py; the protocol is that of tantivy_bench.py.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.lucene.analysis.core.WhitespaceAnalyzer;
import org.apache.lucene.document.*;
import org.apache.lucene.index.*;
import org.apache.lucene.search.*;
import org.apache.lucene.search.similarities.BM25Similarity;
import org.apache.lucene.store.*;

public class LuceneBench {
  static final String FIELD = "body";
  final Path folder;
  IndexSearcher searcher;
  final List<String> kinds = new ArrayList<>();
  final List<Query> queries = new ArrayList<>();

  LuceneBench(Path folder) { this.folder = folder; }

  String build(String file) throws IOException {
    long start = System.nanoTime();
    Directory directory = FSDirectory.open(folder);
    IndexWriterConfig config = new IndexWriterConfig(new WhitespaceAnalyzer());
    config.setRAMBufferSizeMB(512);
    config.setMergeScheduler(new SerialMergeScheduler());
    FieldType type = new FieldType();
    type.setIndexOptions(IndexOptions.DOCS_AND_FREQS_AND_POSITIONS);
    type.setTokenized(true);
    type.freeze();
    try (IndexWriter writer = new IndexWriter(directory, config);
        BufferedReader lines = Files.newBufferedReader(Paths.get(file))) {
      for (String line; (line = lines.readLine()) != null;) {
        Document document = new Document();
        document.add(new Field(FIELD, line, type));
        writer.addDocument(document);
      }
      writer.forceMerge(1);
    }
    double seconds = (System.nanoTime() - start) * 1e-9;
    searcher = new IndexSearcher(DirectoryReader.open(new MMapDirectory(folder)));
    searcher.setSimilarity(new BM25Similarity(1.2f, 0.75f));
    searcher.setQueryCache(null);
    long bytes = 0;
    for (String name : directory.listAll()) bytes += directory.fileLength(name);
    return String.format(Locale.ROOT, "%.3f %d", seconds, bytes);
  }

  String add(String text) {
    String[] parts = text.split("\t");
    String[] terms = parts[1].split(" ");
    kinds.add(parts[0]);
    if (parts[0].equals("phrase")) {
      queries.add(terms.length == 1 ? new TermQuery(new Term(FIELD, terms[0]))
                                    : new PhraseQuery(FIELD, terms));
      return "ok";
    }
    BooleanClause.Occur occur =
        parts[0].equals("and") ? BooleanClause.Occur.MUST : BooleanClause.Occur.SHOULD;
    BooleanQuery.Builder builder = new BooleanQuery.Builder();
    Set<String> known = new LinkedHashSet<>(Arrays.asList(terms));
    for (String term : known) builder.add(new TermQuery(new Term(FIELD, term)), occur);
    queries.add(known.size() == 1 ? new TermQuery(new Term(FIELD, terms[0])) : builder.build());
    return "ok";
  }

  // the best ten, no count of hits
  TopDocs top(Query query) throws IOException {
    return searcher.search(query, new TopScoreDocCollectorManager(10, null, 1));
  }

  String run(String kind, boolean count) throws IOException {
    long sum = 0;
    int n = 0;
    long start = System.nanoTime();
    for (int i = 0; i < queries.size(); ++i) {
      if (!kind.equals("all") && !kind.equals(kinds.get(i))) continue;
      sum += count ? searcher.count(queries.get(i)) : top(queries.get(i)).scoreDocs.length;
      ++n;
    }
    double micros = (System.nanoTime() - start) * 1e-3 / n;
    if (sum == 0) throw new IOException("no query found anything");
    return String.format(Locale.ROOT, "%.3f", micros);
  }

  String hits(int query) throws IOException {
    StringJoiner out = new StringJoiner(" ");
    for (ScoreDoc hit : top(queries.get(query)).scoreDocs) out.add(Integer.toString(hit.doc));
    return out.toString();
  }

  // {"kind": "text"} with the escapes \t, \", \\ and backslash-u
  static String[] parse(String line) throws IOException {
    List<String> strings = new ArrayList<>();
    StringBuilder now = null;
    for (int i = 0; i < line.length(); ++i) {
      char c = line.charAt(i);
      if (now == null) {
        if (c == '"') now = new StringBuilder();
      } else if (c == '"') {
        strings.add(now.toString());
        now = null;
      } else if (c == '\\') {
        char e = line.charAt(++i);
        if (e == 'u') {
          now.append((char) Integer.parseInt(line.substring(i + 1, i + 5), 16));
          i += 4;
        } else {
          now.append(e == 't' ? '\t' : e == 'n' ? '\n' : e);
        }
      } else {
        now.append(c);
      }
    }
    if (strings.size() != 2) throw new IOException("not a request: " + line);
    return strings.toArray(new String[0]);
  }

  public static void main(String[] arguments) throws IOException {
    LuceneBench bench = new LuceneBench(Paths.get(arguments[0]));
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    boolean warm = false;
    for (String line; (line = in.readLine()) != null;) {
      String[] request = parse(line);
      String answer;
      switch (request[0]) {
        case "index": answer = bench.build(request[1]); break;
        case "query": answer = bench.add(request[1]); break;
        case "hits": answer = bench.hits(Integer.parseInt(request[1])); break;
        default:
          // the compiler of the virtual machine needs many passes before it is done
          for (int i = 0; i < 15 && !warm; ++i) {
            bench.run("all", false);
            bench.run("all", true);
          }
          warm = true;
          answer = bench.run(request[1], request[0].equals("count"));
      }
      System.out.println(answer);
      System.out.flush();
    }
  }
}
