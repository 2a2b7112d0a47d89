//! Graphs of documents, parsed again.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use re_data::{CharSpan, Document, Mention, Pair, Relation};
use re_formats::Error;
use re_formats::documents::Lost;
use re_formats::graphs::{EntityScope, GraphFormat, GraphOptions, GraphWriteReport, GraphWriter};

use crate::round_trip;

const SCOPES: [EntityScope; 2] = [EntityScope::Document, EntityScope::Corpus];

fn graph(documents: &[Document], format: GraphFormat, scope: EntityScope) -> (String, GraphWriteReport) {
    let mut file = Vec::new();
    let options = GraphOptions { entities: scope, ..GraphOptions::default() };
    let mut writer = GraphWriter::new(&mut file, "-", format, &options).unwrap();
    for document in documents {
        writer.write(document).unwrap();
    }
    let report = writer.finish().unwrap();
    (String::from_utf8(file).unwrap(), report)
}

/// Documents of all kinds, each with an id of its own.
fn documents() -> impl Strategy<Value = Vec<Document>> {
    prop::collection::vec(round_trip::document(), 0..4).prop_map(|documents| {
        let mut seen = BTreeSet::new();
        documents.into_iter().filter(|document| seen.insert(document.id().to_owned())).collect()
    })
}

/// What the node of a mention is told apart by.
fn key(document: &Document, number: usize, scope: EntityScope) -> [Option<String>; 4] {
    let mention = &document.mentions()[number];
    let own = Some(document.id().to_owned());
    match (mention.entity(), scope) {
        (Some(id), EntityScope::Corpus) => [None, Some(id.to_owned()), None, None],
        (Some(id), _) => [own, Some(id.to_owned()), None, None],
        (None, _) => {
            let surface = Some(document.surface(number).to_owned());
            [own, None, surface, mention.kind().map(str::to_owned)]
        }
    }
}

/// A node's first surface form, its type and, for each of its edges, label and score of the relation and the key of the object.
type Nodes =
    BTreeMap<[Option<String>; 4], (String, Option<String>, Vec<(String, String, [Option<String>; 4])>)>;

fn nodes(documents: &[Document], scope: EntityScope) -> Nodes {
    let mut nodes = Nodes::new();
    for document in documents {
        let mut own: Nodes = Nodes::new();
        for (number, mention) in document.mentions().iter().enumerate() {
            let kind = mention.kind().map(str::to_owned);
            let node = own
                .entry(key(document, number, scope))
                .or_insert_with(|| (document.surface(number).to_owned(), None, Vec::new()));
            node.1 = node.1.take().or(kind);
        }
        for (key, node) in own {
            nodes.entry(key).or_insert(node);
        }
        for relation in document.relations() {
            let [subject, object] =
                [relation.pair().subject, relation.pair().object].map(|number| key(document, number, scope));
            let score = relation.score().map(|score| score.to_string()).unwrap_or_default();
            nodes.get_mut(&subject).unwrap().2.push((relation.label().to_owned(), score, object));
        }
    }
    nodes
}

/// Nodes and edges as a layout shows them, whatever the nodes are called: label and type, and for each edge those of both ends
/// with the relation and its score.
fn shown(nodes: &Nodes, text: impl Fn(&str) -> String) -> (Vec<[String; 2]>, Vec<[String; 6]>) {
    let node = |key| {
        let (surface, kind, _) = &nodes[key];
        [text(surface), kind.as_deref().map(&text).unwrap_or_default()]
    };
    let mut edges: Vec<[String; 6]> = nodes
        .iter()
        .flat_map(|(key, (_, _, edges))| edges.iter().map(move |edge| (key, edge)))
        .map(|(subject, (label, score, object))| {
            let ([subject, kind], [object, other]) = (node(subject), node(object));
            [subject, kind, text(label), score.clone(), object, other]
        })
        .collect();
    edges.sort();
    let mut all: Vec<[String; 2]> = nodes.keys().map(node).collect();
    all.sort();
    (all, edges)
}

/// Nodes and edges of GraphML.
fn of_graphml(xml: &str) -> (Vec<[String; 2]>, Vec<[String; 6]>) {
    let xml = roxmltree::Document::parse(xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    let data = |node: roxmltree::Node<'_, '_>, key: &str| -> String {
        let found = node.children().find(|child| child.attribute("key") == Some(key));
        found.and_then(|found| found.text()).unwrap_or_default().to_owned()
    };
    let elements =
        |name: &'static str| xml.descendants().filter(move |node| node.has_tag_name((NAMESPACE, name)));
    let declared: BTreeSet<&str> = elements("key").filter_map(|key| key.attribute("id")).collect();
    assert!(elements("data").all(|data| declared.contains(data.attribute("key").unwrap())));
    let nodes: BTreeMap<&str, [String; 2]> = elements("node")
        .map(|node| (node.attribute("id").unwrap(), [data(node, "label"), data(node, "type")]))
        .collect();
    let mut edges: Vec<[String; 6]> = elements("edge")
        .map(|edge| {
            let [[subject, kind], [object, other]] =
                ["source", "target"].map(|end| nodes[edge.attribute(end).unwrap()].clone());
            [subject, kind, data(edge, "relation"), data(edge, "score"), object, other]
        })
        .collect();
    edges.sort();
    let mut nodes: Vec<[String; 2]> = nodes.into_values().collect();
    nodes.sort();
    (nodes, edges)
}

const NAMESPACE: &str = "http://graphml.graphdrawing.org/xmlns";

/// The tokens of DOT: names, punctuation, and quoted texts behind a quote. Every character must belong to one.
fn tokens(dot: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = dot.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' => {
                let mut text = String::from("\"");
                loop {
                    match rest.next().unwrap() {
                        '"' => break,
                        '\\' => match rest.next().unwrap() {
                            'n' => text.push('\n'),
                            escaped @ ('"' | '\\') => text.push(escaped),
                            other => panic!("\\{other} in {dot}"),
                        },
                        other => {
                            assert!(!other.is_control(), "{other:?} in {dot}");
                            text.push(other);
                        }
                    }
                }
                tokens.push(text.replace("&amp;", "&"));
            }
            '-' => {
                assert_eq!(rest.next(), Some('>'));
                tokens.push("->".to_owned());
            }
            '{' | '}' | '[' | ']' | '=' | ';' | ',' => tokens.push(character.to_string()),
            ' ' | '\n' => {}
            _ if character.is_ascii_alphanumeric() => {
                let mut name = String::from(character);
                while let Some(next) = rest.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                    name.push(next);
                }
                tokens.push(name);
            }
            other => panic!("{other:?} outside of quotes in {dot}"),
        }
    }
    tokens
}

/// The labels of nodes, and of edges between the labels of their ends.
fn of_dot(dot: &str) -> (Vec<String>, Vec<[String; 3]>) {
    let tokens = tokens(dot);
    let count = |token: &str| tokens.iter().filter(|other| *other == token).count();
    assert_eq!((count("{"), count("[")), (count("}"), count("]")));
    let is_node = |name: &str| name.strip_prefix('n').is_some_and(|number| number.parse::<usize>().is_ok());
    let mut nodes: BTreeMap<&str, String> = BTreeMap::new();
    let mut edges = Vec::new();
    let mut last = ["", ""];
    for window in tokens.windows(5) {
        let [name, open, label, is, text] = window else { unreachable!() };
        if is_node(name) && [open, label, is] == ["[", "label", "="] {
            let text = text.strip_prefix('"').unwrap().to_owned();
            match last {
                [subject, "->"] => edges.push([nodes[subject].clone(), text, nodes[name.as_str()].clone()]),
                _ => assert_eq!(nodes.insert(name, text), None),
            }
        }
        last = [last[1], name];
    }
    edges.sort();
    let mut nodes: Vec<String> = nodes.into_values().collect();
    nodes.sort();
    (nodes, edges)
}

/// The triples of a file, by the grammar of RDF 1.1 N-Triples without blank nodes and languages: parts of IRIs decoded, and
/// literals without their types. Whatever else stands in it is a fault.
fn of_ntriples(file: &str) -> Vec<[String; 3]> {
    fn iri(rest: &str) -> (String, &str) {
        let (iri, rest) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap();
        assert!(
            !iri.contains(|c: char| c <= ' ' || "<\"{}|^`\\".contains(c)) && iri.contains("://"),
            "{iri}"
        );
        let mut bytes = Vec::new();
        let mut encoded = iri;
        while let Some((before, behind)) = encoded.split_once('%') {
            bytes.extend(before.bytes());
            bytes.push(u8::from_str_radix(&behind[..2], 16).unwrap());
            encoded = &behind[2..];
        }
        bytes.extend(encoded.bytes());
        (String::from_utf8(bytes).unwrap(), rest)
    }
    fn literal(rest: &str) -> (String, &str) {
        let mut text = String::new();
        let mut rest = rest.chars();
        loop {
            match rest.next().unwrap() {
                '"' => break,
                '\r' | '\n' => panic!("a line break in a literal"),
                '\\' => match rest.next().unwrap() {
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    escaped @ ('"' | '\\') => text.push(escaped),
                    'u' => {
                        let digits: String = rest.by_ref().take(4).collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
                    }
                    other => panic!("\\{other} in a literal"),
                },
                other => text.push(other),
            }
        }
        let rest = rest.as_str();
        (text, rest.strip_prefix("^^").map_or(rest, |kind| iri(kind).1))
    }
    assert!(file.is_empty() || file.ends_with('\n'));
    let triple = |line: &str| {
        let (subject, rest) = iri(line);
        let (predicate, rest) = iri(rest.strip_prefix(' ').unwrap());
        let rest = rest.strip_prefix(' ').unwrap();
        let (object, rest) = rest.strip_prefix('"').map_or_else(|| iri(rest), literal);
        assert_eq!(rest, " .", "{line}");
        [subject, predicate, object]
    };
    file.split_terminator('\n').map(triple).collect()
}

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";

/// The triples that a document's mentions and relations are.
fn triples(documents: &[Document], scope: EntityScope) -> BTreeSet<[String; 3]> {
    let mut all = BTreeSet::new();
    for document in documents {
        let base = "http://example.org/";
        let of_document = format!("{base}document/{}", document.id());
        let iri = |number: usize| {
            let mention = &document.mentions()[number];
            match (mention.entity(), scope) {
                (Some(id), EntityScope::Corpus) => format!("{base}entity/{id}"),
                (Some(id), _) => format!("{of_document}/entity/{id}"),
                _ => format!(
                    "{of_document}/name/{}/{}",
                    mention.kind().unwrap_or_default(),
                    document.surface(number)
                ),
            }
        };
        let mut put = |subject: &str, predicate: String, object: String| {
            all.insert([subject.to_owned(), predicate, object]);
        };
        let label = || "http://www.w3.org/2000/01/rdf-schema#label".to_owned();
        let term = |term| format!("{base}terms/{term}");
        put(&of_document, format!("{RDF}type"), term("Document"));
        put(&of_document, label(), document.id().to_owned());
        if let Some(source) = document.source() {
            put(&of_document, "http://purl.org/dc/elements/1.1/source".to_owned(), source.to_owned());
        }
        for (number, mention) in document.mentions().iter().enumerate() {
            put(&iri(number), label(), document.surface(number).to_owned());
            put(&iri(number), term("document"), of_document.clone());
            if let Some(kind) = mention.kind() {
                put(&iri(number), format!("{RDF}type"), format!("{base}type/{kind}"));
            }
        }
        for (number, relation) in document.relations().iter().enumerate() {
            let [subject, object] = [relation.pair().subject, relation.pair().object].map(iri);
            let predicate = format!("{base}relation/{}", relation.label());
            put(&subject, predicate.clone(), object.clone());
            if let Some(score) = relation.score() {
                let statement = format!("{of_document}/relation/{number}");
                put(&statement, format!("{RDF}type"), format!("{RDF}Statement"));
                put(&statement, format!("{RDF}subject"), subject);
                put(&statement, format!("{RDF}predicate"), predicate);
                put(&statement, format!("{RDF}object"), object);
                put(&statement, term("score"), score.to_string());
                put(&statement, term("document"), of_document.clone());
            }
        }
    }
    all
}

proptest! {
    #[test]
    fn rows_hold_every_relation(documents in documents()) {
        let (file, report) = graph(&documents, GraphFormat::Csv, EntityScope::Document);
        let mut rows = csv::Reader::from_reader(file.as_bytes());
        let columns = rows.headers().unwrap().iter().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(columns, "document subject subject_start subject_end subject_type subject_entity subject_score relation \
             object object_start object_end object_type object_entity object_score score");
        let found: Vec<Vec<String>> =
            rows.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        let score = |score: Option<f32>| score.map(|score| score.to_string()).unwrap_or_default();
        let mut expected = Vec::new();
        for document in &documents {
            let mention = |number: usize| {
                let mention = &document.mentions()[number];
                let characters = document.text().chars().skip(mention.span().start());
                vec![
                    characters.take(mention.span().end() - mention.span().start()).collect(),
                    mention.span().start().to_string(),
                    mention.span().end().to_string(),
                    mention.kind().unwrap_or_default().to_owned(),
                    mention.entity().unwrap_or_default().to_owned(),
                    score(mention.score()),
                ]
            };
            for relation in document.relations() {
                let Pair { subject, object } = relation.pair();
                let id = vec![document.id().to_owned()];
                let ends = [mention(subject), vec![relation.label().to_owned()], mention(object)];
                expected.push([id, ends.concat(), vec![score(relation.score())]].concat());
            }
        }
        prop_assert_eq!(&found, &expected);
        let without = documents.iter().filter(|document| document.relations().is_empty()).count();
        prop_assert_eq!((report.relations, report.without_relations.count), (found.len(), without));
    }

    #[test]
    fn graphml_holds_every_entity_and_relation(documents in documents(), scope in prop::sample::select(&SCOPES[..])) {
        let (file, _) = graph(&documents, GraphFormat::GraphMl, scope);
        let is_unfit = |c: char| (c < ' ' && !"\t\n\r".contains(c)) || "\u{fffe}\u{ffff}".contains(c);
        let expected = shown(&nodes(&documents, scope), |text| text.replace(is_unfit, "_"));
        prop_assert_eq!(of_graphml(&file), expected);
    }

    #[test]
    fn dot_holds_every_entity_and_relation(documents in documents(), scope in prop::sample::select(&SCOPES[..])) {
        let (file, _) = graph(&documents, GraphFormat::Dot, scope);
        let is_unfit = |c: char| c.is_control() && c != '\n';
        let (all, edges) = shown(&nodes(&documents, scope), |text| text.replace(is_unfit, "_"));
        let two = |[first, second]: [&String; 2]| if second.is_empty() { first.clone() } else { format!("{first}\n{second}") };
        let mut all: Vec<String> = all.iter().map(|[surface, kind]| two([surface, kind])).collect();
        let mut edges: Vec<[String; 3]> = edges
            .iter()
            .map(|[subject, kind, label, score, object, other]| {
                [two([subject, kind]), two([label, score]), two([object, other])]
            })
            .collect();
        all.sort();
        edges.sort();
        prop_assert_eq!(of_dot(&file), (all, edges));
    }

    #[test]
    fn triples_hold_every_entity_and_relation(documents in documents(), scope in prop::sample::select(&SCOPES[..])) {
        let (file, _) = graph(&documents, GraphFormat::NTriples, scope);
        let found: BTreeSet<[String; 3]> = of_ntriples(&file).into_iter().collect();
        prop_assert_eq!(found, triples(&documents, scope));
    }
}

/// Three mentions of one entity, and one of another.
fn example() -> Document {
    let mention = |start, len, kind| Mention::new(CharSpan::with_len(start, len)).with_kind(kind);
    let mentions = vec![
        mention(0, 5, "PER").with_entity("Q1").with_score(0.5),
        mention(12, 3, "PRON").with_entity("Q1"),
        mention(22, 8, "ORG"),
    ];
    let relation = |subject, object| Relation::new(Pair { subject, object }, "worksFor");
    let document = Document::new("d\u{1}1", "Marie said: she is at Sorbonne.", mentions).unwrap();
    document.with_relations(vec![relation(0, 2), relation(1, 2)]).unwrap().with_source("demo")
}

#[test]
fn what_a_layout_cannot_hold_is_counted() {
    let losses = |format| {
        let options = GraphOptions::default();
        let mut writer = GraphWriter::new(std::io::sink(), "-", format, &options).unwrap();
        writer.write(&example()).unwrap().iter().collect::<Vec<_>>()
    };
    assert_eq!(losses(GraphFormat::Csv), [(Lost::Source, 1)]);
    let drawn = [
        (Lost::Id, 1),
        (Lost::Source, 1),
        (Lost::MentionScore, 1),
        (Lost::Endpoint, 2),
        (Lost::Surface, 1),
        (Lost::Type, 1),
    ];
    assert_eq!(losses(GraphFormat::Dot), drawn);
    assert_eq!(losses(GraphFormat::GraphMl), drawn);
    assert_eq!(
        losses(GraphFormat::NTriples),
        [(Lost::MentionScore, 1), (Lost::Relation, 1), (Lost::Endpoint, 2)]
    );
    let lone = Document::new("2", "a", vec![Mention::new(CharSpan::with_len(0, 1))]).unwrap();
    let (_, report) = graph(&[example(), lone], GraphFormat::Csv, EntityScope::Document);
    assert_eq!(
        report.to_string(),
        "2 relations; 1 documents without relations; 2 documents; lost: 1 sources in 1 documents, 1 mentions in 1 documents"
    );
    assert_eq!(report.without_relations.first, ["2"]);
}

#[test]
fn an_entity_of_all_documents_is_one_node() {
    let second =
        Document::new("2", "Curie", vec![Mention::new(CharSpan::with_len(0, 5)).with_entity("Q1")]).unwrap();
    let documents = [example(), second];
    let nodes = |scope| of_dot(&graph(&documents, GraphFormat::Dot, scope).0).0;
    assert_eq!(nodes(EntityScope::Document), ["Curie", "Marie\nPER", "Sorbonne\nORG"]);
    assert_eq!(nodes(EntityScope::Corpus), ["Marie\nPER", "Sorbonne\nORG"]);
    let (_, report) = graph(&documents, GraphFormat::Dot, EntityScope::Corpus);
    let lost = |lost| report.written.lost[&lost].items;
    assert_eq!((lost(Lost::Id), lost(Lost::Surface), lost(Lost::Type)), (2, 2, 2));
}

#[test]
fn graphs_without_documents_are_whole_files() {
    for format in GraphFormat::ALL {
        let (file, report) = graph(&[], format, EntityScope::Corpus);
        assert_eq!((report.relations, report.written.documents), (0, 0));
        match format {
            GraphFormat::Csv => assert_eq!(file.lines().count(), 1),
            GraphFormat::Dot => assert_eq!(of_dot(&file), (vec![], vec![])),
            GraphFormat::GraphMl => assert_eq!(of_graphml(&file), (vec![], vec![])),
            _ => assert_eq!(file, ""),
        }
    }
}

#[test]
fn a_document_stands_once_in_a_graph() {
    let mut writer =
        GraphWriter::new(std::io::sink(), "out.nt", GraphFormat::NTriples, &GraphOptions::default()).unwrap();
    writer.write(&example()).unwrap();
    let error = writer.write(&example()).unwrap_err();
    assert!(matches!(error, Error::Unwritable(_)), "{error}");
    assert!(error.to_string().contains("expected an id that no document before has"), "{error}");
    let options = GraphOptions { base: "example".to_owned(), ..GraphOptions::default() };
    let error = GraphWriter::create("never.nt", GraphFormat::NTriples, &options).err().unwrap().to_string();
    assert!(error.contains("base = example (expected an absolute IRI"), "{error}");
}
