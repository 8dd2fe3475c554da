//! The truth check: traces that a real Calico data plane wrote for real traffic, against the evaluator's.

mod causes;
mod live;
mod recordings;
