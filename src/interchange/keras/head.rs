//! How a network ends: with a softmax of two units, a sigmoid of one, or two bare logits.

use super::graph::{Difference, Graph, Operation};

/// What makes a network's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A softmax of two units.
    Softmax,
    /// Two units without one.
    Logits,
    /// A sigmoid of one unit, which is the probability of the second class.
    Sigmoid,
}

/// The last dense layer and what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) dense: usize,
    pub(super) answer: Answer,
}

impl Ending {
    /// Finds it behind the output of a graph, and the node that it takes from.
    pub(super) fn find(graph: &Graph, output: usize) -> Result<(Self, usize), Difference> {
        let (last, _) = graph.behind_dropout(output);
        let (activation, dense) = match graph.nodes[last].operation {
            Operation::Softmax | Operation::Sigmoid => (Some(&graph.nodes[last].operation), graph.input(last)?),
            _ => (None, last),
        };
        let expected = "two units with a softmax, or one with a sigmoid";
        let Operation::Dense { units, .. } = graph.nodes[dense].operation else {
            return Err(graph.unexpected(dense, format!("a Dense of {expected}")));
        };
        let answer = match (activation, units) {
            (Some(Operation::Softmax), 2) => Answer::Softmax,
            (None, 2) => Answer::Logits,
            (Some(Operation::Sigmoid), 1) => Answer::Sigmoid,
            (activation, units) => {
                let with = activation.map_or_else(|| "no activation".to_owned(), ToString::to_string);
                return Err(graph.difference(dense, expected, format!("{units} units with {with}")));
            }
        };
        Ok((Self { dense, answer }, graph.input(dense)?))
    }
}
