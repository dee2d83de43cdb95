//! The names that arrays of weights go by: ours, torchvision's and Keras's.

use super::super::Layer;

/// Where torchvision's `features` keep the sixteen convolutions.
const TORCHVISION: [&str; 16] =
    ["0", "2", "5", "7", "10", "12", "14", "16", "19", "21", "23", "25", "28", "30", "32", "34"];

/// Where torchvision's `classifier` keeps the three fully connected layers.
const TORCHVISION_CLASSIFIER: [&str; 3] = ["0", "3", "6"];

/// What follows Keras's `blockB_convI` for a kernel, in its versions' ways of saving.
const KERAS_KERNEL: [&str; 4] = ["/kernel", "_kernel", "_W_1", "/vars/0"];

/// The same for a bias.
const KERAS_BIAS: [&str; 4] = ["/bias", "_bias", "_b_1", "/vars/1"];

/// What the names may be, for messages.
pub(super) const EXPECTED: &str = "conv1_1.weight and conv1_1.bias (impasto), features.0.weight or 0.weight \
     (torchvision), or block1_conv1/kernel and block1_conv1/bias (Keras), and so on";

/// What an array is to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The kernel of convolution number …, from 0.
    Kernel(usize),
    /// The bias of convolution number …, from 0.
    Bias(usize),
    /// The matrix of fully connected layer number …: 0 is fc6.
    Matrix(usize),
    /// The bias of fully connected layer number …: 0 is fc6.
    LinearBias(usize),
    /// The mean of the input's channels.
    Mean,
    /// The standard deviation of the input's channels.
    Std,
}

/// The role of the array of this name, if it has one.
pub(super) fn role(name: &str) -> Option<Role> {
    match name {
        "input.mean" => Some(Role::Mean),
        "input.std" => Some(Role::Std),
        _ => dotted(name).or_else(|| keras(name)),
    }
}

/// Whether a name is Keras's, whose kernels are (3, 3, in, out).
pub(super) fn is_keras(name: &str) -> bool {
    keras(name).is_some()
}

/// Our names and torchvision's: a layer, then `.weight` or `.bias`.
fn dotted(name: &str) -> Option<Role> {
    let (layer, part) = name.rsplit_once('.')?;
    let is_bias = match part {
        "weight" => false,
        "bias" => true,
        _ => return None,
    };
    let position = |names: &[&str], name| names.iter().position(|&known| known == name);
    let linear = match layer.strip_prefix("classifier.") {
        Some(number) => position(&TORCHVISION_CLASSIFIER, number),
        None => position(&["fc6", "fc7", "fc8"], layer),
    };
    if let Some(index) = linear {
        return Some(if is_bias { Role::LinearBias(index) } else { Role::Matrix(index) });
    }
    let index = position(&TORCHVISION, layer.strip_prefix("features.").unwrap_or(layer)).or_else(|| {
        let layer: Layer = layer.strip_prefix("conv").and(layer.parse().ok())?;
        layer.convolution()
    })?;
    Some(if is_bias { Role::Bias(index) } else { Role::Kernel(index) })
}

/// Keras's names: folders, `blockB_convI`, what part it is, and `:0` or nothing.
fn keras(name: &str) -> Option<Role> {
    let path = name.strip_suffix(":0").unwrap_or(name);
    let start = path.rfind("block")?;
    if !(start == 0 || path[..start].ends_with('/')) {
        return None;
    }
    let end = path[start..].find("_conv")? + start + "_conv1".len();
    let (layer, part) = path[start..].split_at_checked(end - start)?;
    let layer: Layer = layer.replacen("block", "conv", 1).replacen("_conv", "_", 1).parse().ok()?;
    let index = layer.convolution()?;
    if KERAS_KERNEL.contains(&part) {
        Some(Role::Kernel(index))
    } else {
        KERAS_BIAS.contains(&part).then_some(Role::Bias(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_names_all_convolutions() {
        for (index, number) in TORCHVISION.iter().enumerate() {
            let conv = Layer::stage(index).0.to_string();
            let block = conv.replace("conv", "block").replacen('_', "_conv", 1);
            let kernels = [
                format!("{conv}.weight"),
                format!("features.{number}.weight"),
                format!("{number}.weight"),
                format!("{block}/kernel"),
                format!("{block}/kernel:0"),
                format!("{block}_W_1:0"),
                format!("{block}/{block}_W_1:0"),
                format!("{block}/{block}/kernel:0"),
                format!("vgg19/{block}/kernel:0"),
                format!("layers/{block}/vars/0"),
                format!("{block}_kernel"),
            ];
            for name in kernels {
                assert_eq!(role(&name), Some(Role::Kernel(index)), "{name}");
            }
            let biases = [
                format!("{conv}.bias"),
                format!("features.{number}.bias"),
                format!("{number}.bias"),
                format!("{block}/bias"),
                format!("{block}_b_1:0"),
                format!("{block}/{block}_b_1:0"),
                format!("{block}/{block}/bias:0"),
                format!("layers/{block}/vars/1"),
            ];
            for name in biases {
                assert_eq!(role(&name), Some(Role::Bias(index)), "{name}");
            }
        }
    }

    #[test]
    fn other_names_have_their_role_or_none() {
        assert_eq!(role("input.mean"), Some(Role::Mean));
        assert_eq!(role("input.std"), Some(Role::Std));
        assert_eq!(role("fc7.weight"), Some(Role::Matrix(1)));
        assert_eq!(role("classifier.6.bias"), Some(Role::LinearBias(2)));
        for name in [
            "",
            ".",
            "1.weight",
            "features.35.weight",
            "features.conv1_1.weight.bias",
            "conv1_3.weight",
            "relu1_1.weight",
            "pool1.weight",
            "classifier.1.weight",
            "fc1/kernel",
            "block6_conv1/kernel",
            "block1_conv1",
            "block1_convé/kernel",
            "block1_conv",
            "myblock1_conv1/kernel",
            "block1_conv1/gamma",
            "running_mean",
        ] {
            assert_eq!(role(name), None, "{name}");
        }
    }
}
