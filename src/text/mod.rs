//! Text: places in it, looking through it, showing it to people.

mod find;
mod lines;
mod suggest;
mod visible;
mod wording;

pub use find::{find, find_byte};
pub use lines::{Lines, Span};
pub use suggest::{did_you_mean, nearest};
pub use visible::{Paint, Shown, brief, quoted, shortened, visible, visible_json};
pub use wording::{count, shell_word};
