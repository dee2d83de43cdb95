//! Prints the tape, one line for each node.

use std::fmt;

use unit_prefix::NumberPrefix;

use super::{Real, Tape};

/// A table of the nodes: number, operation, shape of its value, parents (`·` for a constant), and what its VJP keeps
/// for the backward pass.
impl<T: Real> fmt::Display for Tape<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes.borrow();
        writeln!(f, "{:>5}  {:<18} {:<20} {:<16} {:>10}", "node", "operation", "shape", "parents", "keeps")?;
        for (index, node) in nodes.iter().enumerate() {
            let shape = listed(node.shape.iter().map(ToString::to_string));
            let parents = listed(node.parents.iter().map(|p| p.map_or("·".into(), |p| p.to_string())));
            let kept = human_bytes(node.kept);
            writeln!(f, "{index:>5}  {:<18} {:<20} {parents:<16} {kept:>10}", node.name, format!("({shape})"))?;
        }
        let kept = human_bytes(nodes.iter().map(|node| node.kept).sum());
        write!(f, "{} nodes of {}, keeping {kept} for the backward pass", nodes.len(), T::NAME)
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn human_bytes(bytes: usize) -> String {
    match NumberPrefix::binary(bytes as f64) {
        NumberPrefix::Standalone(bytes) => format!("{bytes} B"),
        NumberPrefix::Prefixed(prefix, number) => format!("{number:.2} {prefix}B"),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use crate::ops;
    use crate::tape::Tape;

    #[test]
    fn a_value_shows_its_node_and_its_array() {
        let tape = Tape::<f64>::new();
        assert_eq!(
            format!("{:?}", tape.constant(ndarray::arr0(2.5))),
            "Var { node: None, value: 2.5, shape=[], strides=[], layout=CFcf (0xf), dynamic ndim=0 }"
        );
    }

    #[test]
    fn a_tensor_shows_its_array() {
        let array = ndarray::array![1.0, 2.0];
        assert_eq!(format!("{:?}", crate::tape::Tensor::from(array.clone())), format!("{:?}", array.into_dyn()));
    }

    #[test]
    fn every_node_has_a_line_with_name_shape_parents_and_bytes() {
        let tape = Tape::<f32>::new();
        let x = tape.variable(Array2::ones((4, 8)));
        let c = tape.constant(Array2::ones((4, 8)));
        ops::sum(&ops::mul(&ops::square(&x), &c));
        let expected = " node  operation          shape                parents               keeps
    0  variable           (4, 8)                                       0 B
    1  square             (4, 8)               0                     128 B
    2  mul                (4, 8)               1, ·                    0 B
    3  sum                ()                   2                       0 B
4 nodes of f32, keeping 128 B for the backward pass";
        assert_eq!(tape.to_string(), expected);
    }
}
