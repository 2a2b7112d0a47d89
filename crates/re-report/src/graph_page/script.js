"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LANE = 17, GAP = 7, RADIUS = 6, LONGEST = 30;
  const byId = (id) => document.getElementById(id);
  const tip = byId("tip");
  const font = getComputedStyle(document.body).fontFamily;
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `650 11px ${font}`;

  // What each document shows: pieces of mentions by number, and its relations, read from its table.
  const documents = [...document.querySelectorAll("article.document")].map((article) => {
    const mentions = new Map();
    for (const piece of article.querySelectorAll(".m")) {
      const { m, k } = piece.dataset;
      if (!mentions.has(m)) {
        mentions.set(m, { pieces: [], kind: k, name: piece.getAttribute("aria-label"), entity: piece.dataset.entity, on: true });
      }
      mentions.get(m).pieces.push(piece);
    }
    const relations = [...article.querySelectorAll("tbody tr")].map((row, number) => {
      const { subject, object, label, score } = row.dataset;
      const [from, what, to] = row.cells;
      const surface = (cell) => cell.querySelector(".surface").textContent;
      const probability = score === undefined ? null : `${row.cells[3].textContent} %`;
      const words = `${surface(from)}, ${what.textContent}, ${surface(to)}${probability ? `, ${probability}` : ""}`;
      return {
        number, row, subject, object, label, words, probability, name: what.textContent, from: from.textContent, to: to.textContent,
        score: score === undefined ? null : Number(score), on: true, arc: null,
      };
    });
    return { article, text: article.querySelector(".text"), drawing: article.querySelector(".drawing"), mentions, relations };
  });

  // The boxes of a mention, seen from the text, with the numbers of their lines, which are all of one height now.
  const boxes = (mention, frame) =>
    mention.pieces.flatMap((piece) => {
      const rects = [...piece.getClientRects()];
      return rects.map(({ left, right, top }, at) => ({
        piece, at, of: rects.length, left: left - frame.left, right: right - frame.left,
        line: Math.floor((top + 2 - frame.top) / frame.height),
      }));
    }).filter((box) => box.right > box.left);

  // Where an arc stands on a mention that shares characters with the one at its other end: on what is its own.
  const apart = (box, other, isSubject) => {
    if (box.right <= other.left || other.right <= box.left) return undefined;
    const before = [box.left, Math.min(box.right, other.left)], behind = [Math.max(box.left, other.right), box.right];
    const [from, to] = before[1] - before[0] >= behind[1] - behind[0] ? before : behind;
    if (to - from >= 8) return (from + to) / 2;
    return box.left + (box.right - box.left) * (isSubject ? 0.2 : 0.8);
  };

  const labelOf = (name) => (name.length > LONGEST ? `${[...name].slice(0, LONGEST - 1).join("")}…` : name);

  // Reads the places of all ends, and gives each relation a stretch on one line, or one on each of the two lines of its ends.
  const plan = (doc) => {
    const style = getComputedStyle(doc.text);
    const { left, top, width } = doc.text.getBoundingClientRect();
    const frame = { left, top, height: parseFloat(style.lineHeight) };
    const leftwards = style.direction === "rtl";
    const places = new Map();
    const place = (number) => {
      const mention = doc.mentions.get(number);
      if (mention && !places.has(number)) places.set(number, boxes(mention, frame));
      return places.get(number) || [];
    };
    const stretches = [];
    const ends = new Map();
    for (const relation of doc.relations.filter((relation) => relation.on)) {
      const [from, to] = [place(relation.subject), place(relation.object)];
      if (!from.length || !to.length) continue;
      const downwards = from[0].line <= to[0].line;
      const a = downwards ? from[from.length - 1] : from[0];
      const b = downwards ? to[0] : to[to.length - 1];
      const same = from.find((box) => to.some((other) => other.line === box.line));
      const [start, stop] = same ? [same, to.find((other) => other.line === same.line)] : [a, b];
      const end = (number, box, towards, fixed) => {
        const key = `${number} ${box.line}`;
        const anchor = { box, towards, fixed, x: 0 };
        if (!ends.has(key)) ends.set(key, []);
        ends.get(key).push(anchor);
        return anchor;
      };
      const middle = (box) => (box.left + box.right) / 2;
      if (same) {
        const anchors = [
          end(relation.subject, start, middle(stop), apart(start, stop, true)),
          end(relation.object, stop, middle(start), apart(stop, start, false)),
        ];
        stretches.push({ relation, line: start.line, anchors, arrow: 1 });
      } else {
        const after = (box, other) => (box.line < other.line) !== leftwards ? width : 0;
        for (const [number, box, other, arrow] of [[relation.subject, start, stop, -1], [relation.object, stop, start, 0]]) {
          const edge = after(box, other);
          stretches.push({ relation, line: box.line, anchors: [end(number, box, edge), { x: edge, edge: true }], arrow });
        }
      }
    }
    // The nearer the other end, the farther outside an arc begins, so that arcs of one mention do not cross.
    for (const anchors of ends.values()) {
      const { left, right } = anchors[0].box;
      const middle = (left + right) / 2;
      const side = (anchor) => (anchor.towards < middle ? 0 : 1);
      anchors.sort((a, b) => side(a) - side(b) || b.towards - a.towards);
      anchors.forEach((anchor, at) => { anchor.x = anchor.fixed ?? left + ((right - left) * (at + 1)) / (anchors.length + 1); });
    }
    const lanes = new Map();
    for (const stretch of stretches) {
      const [one, two] = stretch.anchors.map((anchor) => anchor.x);
      const text = labelOf(stretch.relation.name);
      const half = pen.measureText(text).width / 2 + 4;
      stretch.text = text;
      stretch.middle = Math.max(half, Math.min(width - half, (one + two) / 2));
      stretch.low = Math.min(one, two, stretch.middle - half);
      stretch.high = Math.max(one, two, stretch.middle + half);
    }
    stretches.sort((a, b) => a.high - a.low - (b.high - b.low));
    for (const stretch of stretches) {
      if (!lanes.has(stretch.line)) lanes.set(stretch.line, []);
      const line = lanes.get(stretch.line);
      let lane = line.findIndex((taken) => taken.every((other) => other.high + 4 < stretch.low || stretch.high + 4 < other.low));
      if (lane < 0) lane = line.push([]) - 1;
      line[lane].push(stretch);
      stretch.lane = lane;
    }
    return { doc, stretches, lanes, height: frame.height };
  };

  const make = (name, attributes, parent) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return parent.appendChild(element);
  };

  // A line is made higher by a mention on it, half above and half below. What a line needs above it, the half below the
  // line before it gives, too; the first line has the padding of the text.
  const space = ({ doc, stretches, lanes, height }) => {
    const needs = (line) => (lanes.has(line) ? lanes.get(line).length * LANE + GAP : 0);
    doc.text.style.paddingTop = `${needs(0)}px`;
    let [before, given] = [0, 0];
    for (const line of [...lanes.keys()].sort((a, b) => a - b)) {
      if (line === 0) continue;
      const extra = Math.max(0, 2 * needs(line) - (line === before + 1 ? given : 0));
      [before, given] = [line, extra];
      const on = stretches.filter((stretch) => stretch.line === line).flatMap(({ anchors }) => anchors.map(({ box }) => box));
      const [box] = on.filter((box) => box && box.line === line).sort((a, b) => a.of - b.of);
      if (extra > 0) box.piece.style.lineHeight = `${height + extra}px`;
    }
  };
  const unspace = (doc) => {
    doc.text.style.paddingTop = "0";
    for (const { pieces } of doc.mentions.values()) pieces.forEach((piece) => { piece.style.lineHeight = ""; });
  };

  const draw = ({ doc, stretches }) => {
    const focused = doc.drawing.contains(document.activeElement) ? document.activeElement.dataset.relation : undefined;
    doc.drawing.querySelector("svg")?.remove();
    doc.relations.forEach((relation) => { relation.arc = null; });
    if (!stretches.length) return;
    const svg = make("svg", { class: "arcs", role: "group", "aria-label": "Relations" }, doc.drawing);
    for (const stretch of [...stretches].sort((a, b) => a.relation.number - b.relation.number)) {
      const { relation, anchors: [one, two], lane } = stretch;
      const base = stretch.top;
      const y = base - GAP - lane * LANE - 6;
      const turn = Math.min(RADIUS, Math.abs(one.x - two.x) / 2, base - y);
      const way = Math.sign(two.x - one.x) || 1;
      const down = two.edge ? `H${two.x}` : `H${two.x - way * turn}Q${two.x},${y} ${two.x},${y + turn}V${base}`;
      const path = `M${one.x},${base}V${y + turn}Q${one.x},${y} ${one.x + way * turn},${y}${down}`;
      if (!relation.arc) {
        const known = { class: "arc", tabindex: "0", role: "img", "aria-label": relation.words, "data-relation": relation.number };
        relation.arc = make("g", known, svg);
      }
      make("path", { class: "reach", d: path }, relation.arc);
      make("path", { class: "line", d: path }, relation.arc);
      const head = stretch.arrow === 1 ? two : stretch.arrow === 0 ? one : null;
      if (head) make("path", { class: "head", d: `M${head.x - 3.5},${base - 6}L${head.x},${base + 1}L${head.x + 3.5},${base - 6}Z` }, relation.arc);
      make("text", { x: stretch.middle, y: y + 3.5 }, relation.arc).textContent = stretch.text;
    }
    if (focused !== undefined) doc.relations[focused]?.arc?.focus({ preventScroll: true });
  };

  // All documents are read before any is written, so that the browser lays the page out twice, and not for each of them.
  const layout = () => {
    const visible = documents.filter((doc) => !doc.article.hidden);
    visible.forEach(unspace);
    const plans = visible.map(plan);
    plans.forEach(space);
    for (const { doc, stretches } of plans) {
      const { top } = doc.drawing.getBoundingClientRect();
      for (const stretch of stretches) {
        const [{ box }] = stretch.anchors;
        stretch.top = box.piece.getClientRects()[box.at].top - top;
      }
    }
    plans.forEach(draw);
  };

  const chosen = (group) => {
    const boxes = document.querySelectorAll(`[data-group="${group}"] input`);
    return new Set([...boxes].filter((box) => box.checked).map((box) => box.value));
  };

  const filter = () => {
    const [kinds, labels] = [chosen("kinds"), chosen("labels")];
    const least = Number(byId("threshold")?.value ?? 0);
    if (byId("least")) byId("least").textContent = `${Math.round(100 * least)} %`;
    const related = byId("related")?.checked;
    const shown = { relations: 0, mentions: 0, documents: 0 }, all = { relations: 0, mentions: 0 };
    for (const doc of documents) {
      for (const mention of doc.mentions.values()) {
        mention.on = kinds.has(mention.kind);
        mention.pieces.forEach((piece) => piece.classList.toggle("off", !mention.on));
        mention.pieces[0].tabIndex = mention.on ? 0 : -1;
      }
      const isOn = (number) => doc.mentions.get(number)?.on ?? true;
      for (const relation of doc.relations) {
        const sure = relation.score === null || relation.score >= least;
        relation.on = sure && labels.has(relation.label) && isOn(relation.subject) && isOn(relation.object);
        relation.row.hidden = !relation.on;
      }
      const on = doc.relations.filter((relation) => relation.on).length;
      const table = doc.article.querySelector("details");
      if (table) table.hidden = on === 0;
      doc.article.hidden = Boolean(related) && on === 0;
      all.relations += doc.relations.length;
      all.mentions += doc.mentions.size;
      if (doc.article.hidden) continue;
      shown.documents += 1;
      shown.relations += on;
      shown.mentions += [...doc.mentions.values()].filter((mention) => mention.on).length;
    }
    const number = (count) => count.toLocaleString("en");
    const part = (what, of) => `${number(shown[what])} of ${number(of)} ${what}`;
    byId("state").textContent =
      `${part("relations", all.relations)}, ${part("mentions", all.mentions)}, ${part("documents", documents.length)}`;
    leave();
    layout();
  };

  // What the pointer is on, or the focus: its parts stand out, and a note says what it is.
  let marked = [];
  const leave = () => {
    marked.forEach((element) => element.classList.remove("hot", "busy"));
    marked = [];
    tip.hidden = true;
  };
  const mark = (elements, name = "hot") => {
    for (const element of elements.filter(Boolean)) {
      element.classList.add(name);
      marked.push(element);
    }
  };
  const markRelation = (doc, relation) => {
    const ends = [relation.subject, relation.object].flatMap((number) => doc.mentions.get(number)?.pieces ?? []);
    mark([relation.arc, relation.row, ...ends]);
  };
  const tell = (lines, { left, right, top, bottom }) => {
    tip.replaceChildren(...lines.filter(Boolean).map(([strong, rest]) => {
      const line = document.createElement("div");
      const [first, second] = [document.createElement("b"), document.createElement("bdi")];
      first.dir = "auto";
      first.textContent = strong;
      second.textContent = rest;
      line.append(first, " ", second);
      return line;
    }));
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const x = Math.max(8, Math.min((left + right - width) / 2, innerWidth - width - 8));
    const y = bottom + 8 + height < innerHeight ? bottom + 8 : Math.max(8, top - height - 8);
    tip.style.left = `${x}px`;
    tip.style.top = `${y}px`;
  };
  const enter = (target) => {
    const article = target.closest?.("article.document");
    const doc = article && documents.find((doc) => doc.article === article);
    if (!doc) return;
    const arc = target.closest(".arc"), row = target.closest("tbody tr"), piece = target.closest(".m:not(.off)");
    const relation = arc ? doc.relations[arc.dataset.relation] : row && doc.relations.find((relation) => relation.row === row);
    if (relation) {
      markRelation(doc, relation);
      if (relation.arc) mark([doc.drawing], "busy");
      if (!arc) return;
      const text = arc.querySelector("text").getBoundingClientRect();
      tell([[relation.name, relation.probability ?? "no probability"], ["Subject", relation.from], ["Object", relation.to]], text);
    } else if (piece) {
      const mention = doc.mentions.get(piece.dataset.m);
      mark(mention.pieces);
      const own = doc.relations.filter((relation) => relation.on && [relation.subject, relation.object].includes(piece.dataset.m));
      own.forEach((relation) => markRelation(doc, relation));
      if (own.length) mark([doc.drawing], "busy");
      const lines = own.slice(0, 8).map((relation) => [relation.name, `${relation.words}`]);
      if (own.length > 8) lines.push(["", `and ${own.length - 8} more`]);
      tell([[mention.name, ""], mention.entity !== undefined && ["Entity", mention.entity], ...lines], piece.getClientRects()[0]);
    }
  };
  for (const [come, go] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    document.addEventListener(come, (event) => { leave(); enter(event.target); });
    document.addEventListener(go, leave);
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") leave(); });

  for (const id of ["filters", "controls"]) byId(id).hidden = false;
  document.addEventListener("input", filter);
  document.addEventListener("click", (event) => {
    const set = event.target.dataset?.set;
    if (!set) return;
    const boxes = event.target.closest("fieldset").querySelectorAll("input");
    boxes.forEach((box) => { box.checked = set === "all"; });
    filter();
  });
  let width = byId("documents").clientWidth;
  new ResizeObserver(() => {
    const now = byId("documents").clientWidth;
    if (now !== width) requestAnimationFrame(layout);
    width = now;
  }).observe(byId("documents"));
  filter();
})();
