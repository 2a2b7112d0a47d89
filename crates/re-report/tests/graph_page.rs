//! The page on documents.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail so")]

use proptest::prelude::*;
use re_data::{CharSpan, Document, Mention, Pair, Relation};
use re_report::{Error, GraphPage, GraphPageOptions};
use scraper::{ElementRef, Html, Selector};

fn mention(start: usize, end: usize, kind: &str) -> Mention {
    Mention::new(CharSpan::new(start, end).unwrap()).with_kind(kind)
}

fn relation(subject: usize, object: usize, label: &str) -> Relation {
    Relation::new(Pair { subject, object }, label)
}

fn html(documents: &[Document], options: GraphPageOptions) -> String {
    let mut page = GraphPage::new(options).unwrap();
    documents.iter().for_each(|document| page.add(document));
    page.to_html()
}

/// The page as a browser reads it, which must find no fault in it, nothing that is fetched and no script but the page's own.
fn parse(text: &str) -> Html {
    let page = Html::parse_document(text);
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    let attributes = ["src", "srcset", "data", "action", "background", "poster", "href", "srcdoc"];
    for element in page.tree.values().filter_map(scraper::Node::as_element) {
        assert!(
            !["link", "iframe", "object", "img", "form", "a", "base"].contains(&element.name()),
            "{element:?}"
        );
        assert!(
            element.attrs().all(|(name, _)| !attributes.contains(&name) && !name.starts_with("on")),
            "{element:?}"
        );
    }
    let own = Html::parse_document(&html(&[], GraphPageOptions::default()));
    assert_eq!(texts(&page, "script"), texts(&own, "script"));
    assert_eq!(texts(&page, "style"), texts(&own, "style"));
    assert!(!text.contains("url(") && !text.contains("NaN"));
    page
}

fn all<'p>(page: &'p Html, selector: &str) -> Vec<ElementRef<'p>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    all(page, selector).iter().map(|element| element.text().collect()).collect()
}

fn attributes(page: &Html, selector: &str, name: &str) -> Vec<String> {
    all(page, selector).iter().map(|element| element.attr(name).unwrap_or_default().to_owned()).collect()
}

/// A mention in a mention, and one that overlaps with both.
fn nested() -> Document {
    let text = "The University of California at Berkeley hired Ann.";
    let mentions = vec![
        mention(4, 28, "ORG").with_entity("Q168756").with_score(0.75),
        mention(18, 28, "LOC"),
        mention(18, 40, "PLACE"),
        mention(47, 50, "PER"),
        Mention::new(CharSpan::new(41, 46).unwrap()),
    ];
    let relations = vec![
        relation(3, 0, "works for").with_score(0.875),
        relation(0, 1, "located in"),
        relation(3, 0, "lives in"),
    ];
    Document::new("d1", text, mentions).unwrap().with_relations(relations).unwrap().with_source("demo")
}

#[test]
fn mentions_stay_whole_where_they_nest_and_overlap() {
    let page = parse(&html(&[nested()], GraphPageOptions::default()));
    assert_eq!(texts(&page, ".text"), [nested().text()]);
    for (number, surface) in (0..5).map(|number| (number, nested().surface(number).to_owned())) {
        let pieces = texts(&page, &format!(".m[data-m='{number}']")).concat();
        assert_eq!(pieces, surface);
    }
    // One stop of the keyboard for each mention, whatever its pieces are.
    let labels = attributes(&page, ".m[tabindex='0']", "aria-label");
    assert_eq!(
        labels,
        [
            "University of California, ORG, 75.00 %, 3 relations",
            "California at Berkeley, PLACE, 0 relations",
            "California, LOC, 1 relation",
            "hired, no type, 0 relations",
            "Ann, PER, 2 relations",
        ]
    );
    assert_eq!(attributes(&page, ".m[data-entity]", "data-entity"), ["Q168756"]);
    assert_eq!(texts(&page, ".m .m .m"), ["California"]);
}

#[test]
fn relations_stand_in_a_table() {
    let page = parse(&html(&[nested()], GraphPageOptions::default()));
    assert_eq!(texts(&page, "article h2"), ["d1"]);
    assert_eq!(texts(&page, "article .facts"), ["5 mentions, 3 relations, from demo"]);
    assert_eq!(
        texts(&page, "tbody tr"),
        [
            "Ann PERworks forUniversity of California ORG87.50",
            "University of California ORGlocated inCalifornia LOCnone",
            "Ann PERlives inUniversity of California ORGnone",
        ]
    );
    assert_eq!(attributes(&page, "tbody tr", "data-score"), ["0.875", "", ""]);
    assert_eq!(attributes(&page, "tbody tr", "data-subject"), ["3", "0", "3"]);
    assert_eq!(texts(&page, "thead th[scope=col]").len(), 4);
}

#[test]
fn filters_name_every_type_and_relation_with_its_count() {
    let other = Document::new("d2", "Bob", vec![mention(0, 3, "PER")]).unwrap();
    let page = parse(&html(&[nested(), other], GraphPageOptions::default()));
    assert_eq!(texts(&page, "[data-group=kinds] label"), ["PER 2", "LOC 1", "ORG 1", "PLACE 1", "no type 1"]);
    assert_eq!(texts(&page, "[data-group=labels] label"), ["lives in 1", "located in 1", "works for 1"]);
    assert_eq!(all(&page, "#threshold").len(), 1);
    // Numbers of types and relations are those of the filters.
    assert_eq!(attributes(&page, ".m[data-k='4']", "aria-label"), ["hired, no type, 0 relations"]);
    assert_eq!(attributes(&page, "tbody tr", "data-label"), ["2", "1", "0"]);
    let plain = Document::new("d", "a", vec![]).unwrap();
    let page = parse(&html(&[plain], GraphPageOptions::default()));
    assert_eq!((all(&page, "fieldset").len(), all(&page, "#threshold").len()), (0, 0));
    assert_eq!(texts(&page, ".lead"), ["1 document, 0 mentions and 0 relations."]);
}

#[test]
fn the_page_says_what_it_leaves_out() {
    let documents: Vec<Document> = (0..1200)
        .map(|number| Document::new(number.to_string(), "Bob", vec![mention(0, 3, "PER")]).unwrap())
        .collect();
    let options = GraphPageOptions { documents: 3, title: "Three".to_owned() };
    let page = parse(&html(&documents, options.clone()));
    assert_eq!(texts(&page, "article h2"), ["0", "1", "2"]);
    assert_eq!(
        texts(&page, ".lead"),
        [
            "The first 3 of 1,200 documents are shown, with 3 mentions and 0 relations. There are 1,200 mentions and 0 \
          relations in all."
        ]
    );
    assert_eq!(
        (texts(&page, "h1"), texts(&page, "title")),
        (vec!["Three".to_owned()], vec!["Three".to_owned()])
    );
    let mut page = GraphPage::new(options).unwrap();
    documents.iter().for_each(|document| page.add(document));
    assert_eq!(page.left_out(), 1197);
    let none = GraphPage::new(GraphPageOptions { documents: 0, ..GraphPageOptions::default() });
    assert!(matches!(none, Err(Error::Argument { name: "documents", .. })));
}

#[test]
fn a_pile_of_mentions_is_cut_off_and_said() {
    let mentions = (0..40).map(|_| mention(0, 2, "A")).collect();
    let page = parse(&html(&[Document::new("d", "abc", mentions).unwrap()], GraphPageOptions::default()));
    assert_eq!(
        texts(&page, ".remark"),
        ["8 mentions not drawn: more than 32 stand over the same characters."]
    );
    assert_eq!(attributes(&page, ".m[tabindex='0']", "data-m").len(), 32);
}

#[test]
fn texts_of_other_scripts_keep_their_direction_and_language() {
    let korean =
        Document::new("ko", "김철수는 서울에 산다.", vec![mention(0, 3, "인물"), mention(5, 7, "장소")])
            .unwrap();
    let arabic = Document::new("ar", "وُلد أحمد في القاهرة", vec![mention(5, 9, "PER")]).unwrap();
    let page = parse(&html(&[korean, arabic], GraphPageOptions::default()));
    assert_eq!(attributes(&page, ".text", "dir"), ["auto", "auto"]);
    assert_eq!(attributes(&page, ".text", "lang"), ["ko", ""]);
    assert_eq!(texts(&page, ".m"), ["김철수", "서울", "أحمد"]);
}

/// What a browser reads of a text: pictures stand for control characters.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap(),
            '\u{7f}' => '\u{2421}',
            _ if c.is_control()
                || u32::from(c) & 0xfffe == 0xfffe
                || ('\u{fdd0}'..='\u{fdef}').contains(&c) =>
            {
                '\u{fffd}'
            }
            _ => c,
        })
        .collect()
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "<script>alert(1)</script>",
            "</script>",
            "</style>",
            "<!--",
            "-->",
            "]]>",
            "\"",
            "'",
            "&amp;",
            "&",
            "<",
            "`",
            "\\",
            "\0",
            "\r",
            "\n",
            "\u{1b}",
            "\u{202e}",
            "\u{200f}",
            "\u{fffe}",
            "\u{1ffff}",
            "\u{85}",
            "😀",
            "각",
            "javascript:",
            "{",
            "}",
            "<img src=x onerror=alert(1)>",
            "' onfocus='alert(1)",
            "\" autofocus onfocus=\"alert(1)",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| format!("x{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_texts_hold_is_text(
        [id, text, kind, label, entity, source] in [hostile(), hostile(), hostile(), hostile(), hostile(), hostile()],
        title in hostile(),
    ) {
        let length = text.chars().count();
        let mentions = vec![
            mention(0, length, &kind).with_entity(entity.clone()),
            mention(0, 1, "A"),
        ];
        let document = Document::new(id.clone(), text.clone(), mentions).unwrap();
        let document = document.with_relations(vec![relation(0, 1, &label)]).unwrap().with_source(source.clone());
        let (kind, label) = (document.mentions()[0].kind().unwrap(), document.relations()[0].label());
        let page = parse(&html(std::slice::from_ref(&document), GraphPageOptions { title: title.clone(), documents: 1 }));
        prop_assert_eq!(texts(&page, ".text"), [visible(&text)]);
        prop_assert_eq!(texts(&page, "h1"), [visible(&title)]);
        prop_assert_eq!(texts(&page, "h2"), [visible(&id)]);
        prop_assert_eq!(texts(&page, ".facts bdi"), [visible(&source)]);
        prop_assert_eq!(texts(&page, "td .label"), [visible(label)]);
        prop_assert_eq!(attributes(&page, ".m[data-entity]", "data-entity"), [visible(&entity)]);
        prop_assert!(texts(&page, "td .type").contains(&visible(kind)));
        prop_assert_eq!(all(&page, "script").len(), 1);
    }
}
