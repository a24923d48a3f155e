//! Events as comma-separated values (RFC 4180), one a line under a head.

use state::describe;
use trace::Event;

/// The head.
pub const HEAD: &str = "id,at_ns,node,cause,kind,description,fields";

/// All events. `fields` is the kind's JSON, as in the trace file.
pub fn csv(events: &[Event]) -> serde_json::Result<String> {
    let mut text = format!("{HEAD}\r\n");
    for event in events {
        let fields = serde_json::to_string(&event.kind)?;
        let cells = [
            event.id.to_string(),
            event.at.to_string(),
            event.node.to_string(),
            event.cause.to_string(),
            event.kind.name().to_owned(),
            describe(&event.kind),
            fields,
        ];
        text += &cells.map(|cell| quoted(&cell)).join(",");
        text += "\r\n";
    }
    Ok(text)
}

fn quoted(cell: &str) -> String {
    let plain = !cell.contains([',', '"', '\r', '\n']);
    if plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::examples::events;

    /// A reader of its own: fields by RFC 4180.
    fn parse(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell, mut inside) = (Vec::new(), Vec::new(), String::new(), false);
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '"' if inside && characters.peek() == Some(&'"') => cell.extend(characters.next()),
                '"' => inside = !inside,
                ',' if !inside => row.push(std::mem::take(&mut cell)),
                '\r' if !inside => {}
                '\n' if !inside => {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                other => cell.push(other),
            }
        }
        rows
    }

    #[test]
    fn what_was_written_reads_back_as_the_same_events() {
        let events = events();
        let rows = parse(&csv(&events).unwrap());
        assert_eq!(rows[0].join(","), HEAD);
        assert_eq!(rows.len(), events.len() + 1);
        for (row, event) in rows[1..].iter().zip(&events) {
            assert_eq!(row.len(), 7);
            let kind: trace::EventKind = serde_json::from_str(&row[6]).unwrap();
            assert_eq!(
                (row[0].as_str(), row[2].as_str(), kind),
                (&*event.id.to_string(), event.node.as_str(), event.kind.clone())
            );
        }
    }
}
