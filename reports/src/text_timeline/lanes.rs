//! One row of the picture, and how the operations of a client share rows.
//!
//! A bar is as long as its operation took: nothing stretches it, words neither. Words stand inside a
//! bar that has room, else beside it where no other bar is, else in a row of their own with it.

/// The columns of one row.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    cells: Vec<char>,
}

impl Lane {
    pub(super) fn new(columns: usize) -> Lane {
        Lane { cells: vec![' '; columns] }
    }

    pub(super) fn fill(&mut self, left: usize, right: usize, mark: char) {
        self.cells[left..=right].fill(mark);
    }

    pub(super) fn write(&mut self, at: usize, text: &str) {
        for (cell, c) in self.cells.iter_mut().skip(at).zip(text.chars()) {
            *cell = c;
        }
    }

    pub(super) fn text(&self) -> String {
        self.cells.iter().collect()
    }

    /// Whether columns are blank; those outside of the row count as such.
    fn is_free(&self, left: usize, right: usize) -> bool {
        self.cells.iter().skip(left).take((right + 1).saturating_sub(left)).all(|cell| *cell == ' ')
    }

    /// Blank columns from `at` on to the right, and before `at` to the left.
    fn room(&self, left: usize, right: usize) -> (usize, usize) {
        let after = self.cells[right + 1..].iter().take_while(|cell| **cell == ' ').count();
        let before = self.cells[..left].iter().rev().take_while(|cell| **cell == ' ').count();
        (before, after)
    }
}

/// An operation in columns.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) left: usize,
    pub(super) right: usize,
    /// The character the bar ends with.
    pub(super) close: char,
    /// The character it is filled with.
    pub(super) open: char,
    /// Label and text, which may be cut.
    pub(super) words: String,
    /// What follows the words and is never cut.
    pub(super) signs: String,
}

/// Gives every bar of a client a row and its words a place. Returns the rows, and the indices of bars
/// whose words had to be cut.
pub(super) fn place(
    bars: &[Bar],
    columns: usize,
    cut: impl Fn(&str, usize) -> String,
) -> (Vec<Lane>, Vec<usize>) {
    let (mut rows, mut shortened): (Vec<Lane>, Vec<usize>) = (Vec::new(), Vec::new());
    // A later bar must stay free of an earlier one's words, so bars that share a row are drawn first.
    let mut shared = Lane::new(columns);
    let mut alone = Vec::new();
    for (index, bar) in bars.iter().enumerate() {
        // A blank between two bars, or they would read as one.
        if shared.is_free(bar.left.saturating_sub(1), bar.right + 1) {
            draw(&mut shared, bar);
        } else {
            alone.push(index);
        }
    }
    for (index, bar) in bars.iter().enumerate() {
        if !alone.contains(&index) && write_beside(&mut shared, bar).is_none() {
            // Bar and words move to a row of their own.
            shared.fill(bar.left, bar.right, ' ');
            alone.push(index);
        }
    }
    alone.sort_unstable();
    if alone.len() < bars.len() {
        rows.push(shared);
    }
    for index in alone {
        let bar = &bars[index];
        let free = rows.iter_mut().skip(1).find_map(|row| {
            let is_free = row.is_free(bar.left.saturating_sub(1), bar.right + 1);
            is_free.then(|| {
                let mut with_bar = row.clone();
                draw(&mut with_bar, bar);
                write_beside(&mut with_bar, bar).map(|()| *row = with_bar)
            })?
        });
        if free.is_some() {
            continue;
        }
        let mut row = Lane::new(columns);
        draw(&mut row, bar);
        if write_beside(&mut row, bar).is_none() {
            write_cut(&mut row, bar, &cut);
            shortened.push(index);
        }
        rows.push(row);
    }
    (rows, shortened)
}

fn draw(lane: &mut Lane, bar: &Bar) {
    lane.fill(bar.left, bar.right, bar.open);
    if bar.right > bar.left {
        lane.write(bar.left, "[");
        lane.write(bar.right, &bar.close.to_string());
    } else {
        lane.write(bar.left, "|");
    }
}

/// Writes a bar's words in full, inside it or beside it; `None` where neither has room.
fn write_beside(lane: &mut Lane, bar: &Bar) -> Option<()> {
    let text = format!("{}{}", bar.words, bar.signs);
    let length = text.chars().count();
    let (before, after) = lane.room(bar.left, bar.right);
    let end = bar.right + 1 + after;
    if length < bar.right - bar.left {
        // `[B write 41 ──]`: a blank before the rest of the bar, where there is a rest.
        let blank = if length + 2 < bar.right - bar.left { " " } else { "" };
        lane.write(bar.left + 1, &format!("{text}{blank}"));
    } else if length < after && (length + 1 < after || end == lane.cells.len()) {
        lane.write(bar.right + 2, &text);
    } else if length < before && (length + 1 < before || before == bar.left) {
        lane.write(bar.left - 1 - length, &text);
    } else {
        return None;
    }
    Some(())
}

/// Writes as much of a bar's words as the widest place of its row takes.
fn write_cut(lane: &mut Lane, bar: &Bar, cut: impl Fn(&str, usize) -> String) {
    let (before, after) = lane.room(bar.left, bar.right);
    let inside = (bar.right - bar.left).saturating_sub(1);
    let signs = bar.signs.chars().count();
    let widest = inside.max(before.saturating_sub(1)).max(after.saturating_sub(1));
    let text = format!("{}{}", cut(&bar.words, widest.saturating_sub(signs)), bar.signs);
    let length = text.chars().count();
    if widest == inside {
        lane.write(bar.left + 1, &text);
    } else if widest + 1 == after {
        lane.write(bar.right + 2, &text);
    } else {
        lane.write(bar.left - 1 - length.min(bar.left - 1), &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(left: usize, right: usize, words: &str) -> Bar {
        let words = words.to_owned();
        Bar { left, right, close: ']', open: '-', words, signs: String::new() }
    }

    fn drawn(bars: &[Bar]) -> Vec<String> {
        let cut = |text: &str, columns: usize| text.chars().take(columns).collect();
        let (rows, _) = place(bars, 20, cut);
        rows.iter().map(|row| row.text().trim_end().to_owned()).collect()
    }

    #[test]
    fn words_stand_inside_beside_or_with_their_bar_in_a_row_of_their_own() {
        assert_eq!(drawn(&[bar(0, 10, "A r 1")]), ["[A r 1 ---]"]);
        assert_eq!(drawn(&[bar(2, 4, "A r 1")]), ["  [-] A r 1"]);
        assert_eq!(drawn(&[bar(15, 19, "A r 1")]), ["         A r 1 [---]"]);
        assert_eq!(
            drawn(&[bar(0, 2, "A r 1"), bar(5, 7, "B w 2")]),
            ["     [-] B w 2", "[-] A r 1"]
        );
    }

    #[test]
    fn words_without_room_are_cut_and_counted() {
        let cut = |text: &str, columns: usize| text.chars().take(columns).collect();
        let (rows, shortened) = place(&[bar(4, 10, "A write 1234567890")], 20, cut);
        assert_eq!(rows[0].text(), "    [-----] A write ");
        assert_eq!(shortened, [0]);
    }
}
