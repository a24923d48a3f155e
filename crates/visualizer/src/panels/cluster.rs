//! The map: nodes on a fixed ring, cut links, sides of a partition, messages in flight.

use egui::epaint::Mesh;
use egui::{Color32, Pos2, Shape, Stroke, Ui, Vec2};

use crate::app::command::Command;
use crate::layout::{Flight, Link, Ring, RingNode, cluster_at};
use crate::model::{Fate, NodeRole};
use crate::panels::{Scene, crown, mark, small};
use crate::theme::{Tokens, thin};

/// A node's radius in points.
const RADIUS: f32 = 11.0;
/// So near to the middle a broker has no room for more than its name.
const TIGHT: f32 = 60.0;
/// How many messages are drawn at once: more would be a cloud, and shapes cost.
const FLIGHTS: usize = 400;

/// Paints the panel.
pub fn ui(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let size = ui.available_size();
    let (rect, _) = ui.allocate_exact_size(size, egui::Sense::hover());
    let painter = ui.painter_at(rect);
    // Between two events messages still move.
    let index = scene.view.focus.event;
    let glides = scene.view.playing && !scene.view.reduced_motion;
    let time = if glides { scene.view.clock as u64 } else { scene.model.at(index) };
    let ring = cluster_at(scene.model, &scene.state, index, time, size.x, size.y);
    let place = |x: f32, y: f32| rect.min + Vec2::new(x, y);
    let hidden = |node: usize| scene.view.hidden.contains(&ring.nodes[node].name);
    hulls(scene, &painter, &ring, &place);
    for link in ring.links.iter().filter(|link| !hidden(link.a) && !hidden(link.b)) {
        paint_link(scene.tokens, &painter, &ring, link, &place);
    }
    let flights = ring.messages.iter().filter(|flight| !hidden(flight.from) && !hidden(flight.to));
    let mut layer = Mesh::default();
    for flight in flights.take(FLIGHTS) {
        paint_flight(scene.tokens, &mut layer, &ring, flight, &place);
    }
    painter.add(layer);
    for (i, node) in ring.nodes.iter().enumerate().filter(|(i, _)| !hidden(*i)) {
        paint_node(scene, &painter, node, place(node.x, node.y), ring_middle(&ring, &place));
        let area = egui::Rect::from_center_size(place(node.x, node.y), Vec2::splat(RADIUS * 2.6));
        let response = mark(ui, area, ("node", i), &node.label()).on_hover_text(node.label());
        if response.clicked() {
            commands.push(Command::Node(node.name));
        }
    }
    if !scene.view.hidden.is_empty() {
        let names: Vec<&str> = scene.view.hidden.iter().map(|name| name.as_str()).collect();
        let text = format!("hidden: {}", names.join(", "));
        let at = rect.left_bottom() + Vec2::new(4.0, -2.0);
        let written = painter.text(at, egui::Align2::LEFT_BOTTOM, &text, small(), scene.tokens.link);
        let response = mark(ui, written, "hidden", &text).on_hover_text("Show them again");
        if response.clicked() {
            commands.push(Command::ShowAll);
        }
    }
}

fn ring_middle(ring: &Ring, place: &impl Fn(f32, f32) -> Pos2) -> Pos2 {
    let count = ring.nodes.len().max(1) as f32;
    let sum = ring.nodes.iter().fold(Vec2::ZERO, |sum, node| sum + Vec2::new(node.x, node.y));
    place(sum.x / count, sum.y / count)
}

fn paint_link(tokens: &Tokens, painter: &egui::Painter, ring: &Ring, link: &Link, place: &impl Fn(f32, f32) -> Pos2) {
    let (a, b) = (&ring.nodes[link.a], &ring.nodes[link.b]);
    let (from, to) = (place(a.x, a.y), place(b.x, b.y));
    if !link.cut_ab && !link.cut_ba {
        painter.line_segment([from, to], Stroke::new(0.7, tokens.line));
        return;
    }
    painter.extend(Shape::dashed_line(&[from, to], Stroke::new(1.2, tokens.fault), 4.0, 3.0));
    let along = (to - from).normalized();
    let across = Vec2::new(-along.y, along.x) * 6.0;
    // A bar on the side where frames vanish: both sides for a full cut, one for a half cut.
    for (cut, at) in [(link.cut_ab, 0.58), (link.cut_ba, 0.42)] {
        if cut {
            let centre = from + (to - from) * at;
            painter.line_segment([centre - across, centre + across], Stroke::new(2.5, tokens.fault));
        }
    }
}

fn hulls(scene: &Scene, painter: &egui::Painter, ring: &Ring, place: &impl Fn(f32, f32) -> Pos2) {
    for hull in &ring.hulls {
        let mut corners: Vec<Pos2> = Vec::new();
        for node in &hull.nodes {
            let centre = place(ring.nodes[*node].x, ring.nodes[*node].y);
            for (dx, dy) in
                [(1.0, 0.0), (0.7, 0.7), (0.0, 1.0), (-0.7, 0.7), (-1.0, 0.0), (-0.7, -0.7), (0.0, -1.0), (0.7, -0.7)]
            {
                corners.push(centre + Vec2::new(dx, dy) * RADIUS * 2.0);
            }
        }
        let outline = convex(corners);
        if outline.len() < 3 {
            continue;
        }
        let fill = thin(scene.tokens.fault, 0.10);
        painter.add(Shape::convex_polygon(outline.clone(), fill, Stroke::new(1.0, scene.tokens.fault)));
        // A side of one node is named by that node's badge.
        if hull.nodes.len() < 2 {
            continue;
        }
        let top = outline.iter().copied().min_by(|a, b| a.y.total_cmp(&b.y)).unwrap_or(Pos2::ZERO);
        painter.text(top - Vec2::new(0.0, 9.0), egui::Align2::CENTER_BOTTOM, &hull.label, small(), scene.tokens.text);
    }
}

/// The convex hull (monotone chain).
fn convex(mut points: Vec<Pos2>) -> Vec<Pos2> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let turn = |a: Pos2, b: Pos2, c: Pos2| (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
    let half = |points: &mut dyn Iterator<Item = Pos2>| {
        let mut chain: Vec<Pos2> = Vec::new();
        for point in points {
            while chain.len() >= 2 && turn(chain[chain.len() - 2], chain[chain.len() - 1], point) <= 0.0 {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}

fn paint_flight(tokens: &Tokens, layer: &mut Mesh, ring: &Ring, flight: &Flight, place: &impl Fn(f32, f32) -> Pos2) {
    let (from, to) = (&ring.nodes[flight.from], &ring.nodes[flight.to]);
    let along = (place(to.x, to.y) - place(from.x, from.y)).normalized();
    let across = Vec2::new(-along.y, along.x);
    // Both directions of a link keep to their own side.
    let at = place(flight.x, flight.y) + across * 4.0;
    let zookeeper = from.role == NodeRole::ZooKeeper || to.role == NodeRole::ZooKeeper;
    let colour = if zookeeper { tokens.zookeeper } else { tokens.kafka };
    match flight.fate {
        Fate::Dropped => {
            for (one, other) in [(along + across, -along - across), (along - across, across - along)] {
                bar(layer, at + one * 4.0, at + other * 4.0, 1.2, tokens.fault);
            }
        }
        _ if zookeeper => {
            shape(layer, &[at + along * 4.5, at + across * 3.5, at - along * 4.5, at - across * 3.5], colour)
        }
        _ => {
            shape(layer, &[at + along * 6.0, at + across * 4.0 - along * 4.0, at - across * 4.0 - along * 4.0], colour)
        }
    }
    if flight.fate == Fate::Held {
        bar(layer, at + across * 6.0 + along * 7.0, at - across * 6.0 + along * 7.0, 1.2, tokens.waiting);
    }
}

fn shape(layer: &mut Mesh, corners: &[Pos2], colour: Color32) {
    let first = layer.vertices.len() as u32;
    corners.iter().for_each(|corner| layer.colored_vertex(*corner, colour));
    for i in 1..corners.len() as u32 - 1 {
        layer.add_triangle(first, first + i, first + i + 1);
    }
}

fn bar(layer: &mut Mesh, from: Pos2, to: Pos2, half: f32, colour: Color32) {
    let along = (to - from).normalized();
    let across = Vec2::new(-along.y, along.x) * half;
    shape(layer, &[from + across, to + across, to - across, from - across], colour);
}

fn paint_node(scene: &Scene, painter: &egui::Painter, node: &RingNode, at: Pos2, middle: Pos2) {
    let tokens = scene.tokens;
    let colour = match node.role {
        NodeRole::Broker => tokens.kafka,
        NodeRole::ZooKeeper => tokens.zookeeper,
        NodeRole::Client => tokens.good,
    };
    if scene.view.focus.node == Some(node.name) {
        painter.circle_stroke(at, RADIUS + 4.0, Stroke::new(2.0, tokens.link));
    }
    let colour = if node.absent { tokens.absent } else { colour };
    let faint = thin(colour, 0.25);
    let fill = if node.up && !node.paused { colour } else { faint };
    match node.role {
        NodeRole::ZooKeeper => {
            let corners = vec![
                at + Vec2::new(0.0, -RADIUS),
                at + Vec2::new(RADIUS, 0.0),
                at + Vec2::new(0.0, RADIUS),
                at + Vec2::new(-RADIUS, 0.0),
            ];
            painter.add(Shape::convex_polygon(corners, fill, Stroke::new(1.0, colour)));
        }
        NodeRole::Broker => {
            let area = egui::Rect::from_center_size(at, Vec2::splat(RADIUS * 1.8));
            painter.rect(area, 3.0, fill, Stroke::new(1.0, colour), egui::StrokeKind::Middle);
        }
        NodeRole::Client => {
            painter.circle(at, RADIUS * 0.75, fill, Stroke::new(1.0, colour));
        }
    }
    if node.controller || node.zk_leader {
        crown(painter, at - Vec2::new(0.0, RADIUS + 6.0), 11.0, true, tokens.text);
    }
    if node.absent {
        // It is not meant to run: no cross.
    } else if !node.up {
        for (dx, dy) in [(1.0, 1.0), (1.0, -1.0)] {
            let reach = Vec2::new(dx, dy) * RADIUS;
            painter.line_segment([at - reach, at + reach], Stroke::new(2.0, tokens.fault));
        }
    } else if node.paused {
        for dx in [-3.0, 3.0] {
            let bar = Vec2::new(dx, 0.0);
            painter
                .line_segment([at + bar - Vec2::Y * 5.0, at + bar + Vec2::Y * 5.0], Stroke::new(2.5, tokens.waiting));
        }
    } else if node.leads > 0 {
        painter.text(at, egui::Align2::CENTER_CENTER, node.leads, crate::panels::body(), Tokens::on(fill));
    }
    let below = at.y >= middle.y;
    let (anchor, dy) =
        if below { (egui::Align2::CENTER_TOP, RADIUS + 3.0) } else { (egui::Align2::CENTER_BOTTOM, -RADIUS - 14.0) };
    let dy = if below || node.controller || node.zk_leader { dy } else { -RADIUS - 3.0 };
    let named = words(painter, at + Vec2::new(0.0, dy), anchor, node.name.as_str(), tokens.text, tokens);
    let mut badges: Vec<String> = node.badges.iter().map(|badge| badge.kind.to_string()).collect();
    // On a small map the word would reach the next ring; the crown says it too.
    if node.controller && at.distance(middle) > TIGHT {
        badges.push("controller".into());
    }
    if !badges.is_empty() {
        let (anchor, edge) =
            if below { (egui::Align2::CENTER_TOP, named.bottom()) } else { (egui::Align2::CENTER_BOTTOM, named.top()) };
        words(painter, Pos2::new(at.x, edge), anchor, &badges.join(", "), tokens.muted, tokens);
    }
}

/// Words that stay readable where a line or a hull runs below them.
fn words(
    painter: &egui::Painter,
    at: Pos2,
    anchor: egui::Align2,
    text: &str,
    colour: Color32,
    tokens: &Tokens,
) -> egui::Rect {
    let galley = painter.layout_no_wrap(text.to_owned(), small(), colour);
    let place = anchor.anchor_size(at, galley.size());
    painter.rect_filled(place.expand2(Vec2::new(2.0, -1.0)), 2.0, thin(tokens.panel, 0.8));
    painter.galley(place.min, galley, colour);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hull_leaves_out_what_lies_inside() {
        let square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0), (5.0, 5.0)];
        let hull = convex(square.map(|(x, y)| Pos2::new(x, y)).to_vec());
        assert_eq!(hull.len(), 4);
        assert!(!hull.contains(&Pos2::new(5.0, 5.0)));
    }
}
