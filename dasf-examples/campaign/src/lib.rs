//! Percolation: does water find a way through a random rock? The module runs one rock after the other, and a
//! campaign asks it for two hundred.

/// Water in random rocks.
#[dasf::module(topic = "percolation", main = false)]
pub mod percolation {
    use dasf::Context;
    use serde::{Deserialize, Serialize};

    /// What became of one rock.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
    pub struct Rock {
        /// Whether water reaches the bottom.
        pub leaks: bool,
        /// How deep the water comes, in rows.
        pub depth: u32,
    }

    /// Pours water on a random rock, and tells how deep it comes.
    ///
    /// A rock is a square of cells, each of which is open with the probability `porosity`. Water flows from an open
    /// cell to the open cells beside it.
    #[dasf::function]
    pub fn pour(
        seed: u64,
        #[dasf(ge = 0.0, le = 1.0)] porosity: f64,
        #[dasf(default = 1000, ge = 1, le = 5000)] size: u32,
        context: Context,
    ) -> Rock {
        let size = size as usize;
        let mut random = fastrand::Rng::with_seed(seed);
        let is_open: Vec<bool> = (0..size * size).map(|_| random.f64() < porosity).collect();
        let mut is_wet = vec![false; size * size];
        let mut next: Vec<usize> = (0..size).filter(|cell| is_open[*cell]).collect();
        let mut depth = 0;
        while let Some(cell) = next.pop() {
            if context.is_cancelled() {
                break;
            }
            if std::mem::replace(&mut is_wet[cell], true) {
                continue;
            }
            let (row, column) = (cell / size, cell % size);
            depth = depth.max(row + 1);
            let mut flow = |cell: usize| {
                if is_open[cell] && !is_wet[cell] {
                    next.push(cell);
                }
            };
            if row > 0 {
                flow(cell - size);
            }
            if row + 1 < size {
                flow(cell + size);
            }
            if column > 0 {
                flow(cell - 1);
            }
            if column + 1 < size {
                flow(cell + 1);
            }
        }
        Rock {
            leaks: depth == size,
            depth: u32::try_from(depth).unwrap_or(u32::MAX),
        }
    }
}

pub use percolation::{Client, Rock, main, module};
