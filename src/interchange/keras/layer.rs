//! One layer of a Keras config, as operations.
//!
//! In: the JSON of a layer, by Keras 2 or 3. Out: the operations that it does one after the other when the network
//! answers; what works in training alone is left out.

use serde_json::Value;

use super::graph::{Operation, Padding};

/// What a layer of this class does; none where it does nothing once the training is over.
pub(super) fn operations(class: &str, config: &Value) -> Vec<Operation> {
    let layer = Layer { class, config };
    layer.read().unwrap_or_else(|what| vec![Operation::Other(format!("a {class} with {what}"))])
}

/// The most filters or units; no layer of a known network has so many, and sums of them stay numbers.
const WIDEST: u64 = 1 << 16;

struct Layer<'a> {
    class: &'a str,
    config: &'a Value,
}

impl Layer<'_> {
    /// The operations, or what about the layer is unlike any known network.
    fn read(&self) -> Result<Vec<Operation>, String> {
        self.is_channels_last()?;
        let one = |operation| Ok(vec![operation]);
        match self.class {
            "Conv2D" | "Convolution2D" => {
                self.equals("dilation_rate", 1)?;
                self.equals("groups", 1)?;
                let convolution = Operation::Conv {
                    filters: self.whole("filters")?,
                    kernel: self.pair("kernel_size")?,
                    strides: self.pair("strides")?,
                    padding: self.padding()?,
                    bias: self.flag("use_bias", true)?,
                };
                self.with_activation(convolution)
            }
            "Dense" => {
                let dense = Operation::Dense { units: self.whole("units")?, bias: self.flag("use_bias", true)? };
                self.with_activation(dense)
            }
            "BatchNormalization" => one(Operation::Norm {
                axis: self.axis()?,
                epsilon: self.number("epsilon", 1e-3)?,
                center: self.flag("center", true)?,
                scale: self.flag("scale", true)?,
            }),
            "Activation" => self.activation(),
            "ReLU" => {
                for (key, usual) in [("max_value", Value::Null), ("negative_slope", 0.into()), ("threshold", 0.into())]
                {
                    let value = self.config.get(key).unwrap_or(&usual);
                    if value != &usual && value.as_f64() != usual.as_f64().or(Some(f64::NAN)) {
                        return Err(format!("{key} {value}"));
                    }
                }
                one(Operation::Relu)
            }
            "Softmax" => match self.axis()? {
                -1 | 1 => one(Operation::Softmax),
                other => Err(format!("axis {other}")),
            },
            "ZeroPadding2D" => one(Operation::ZeroPadding(self.sides("padding")?)),
            "MaxPooling2D" | "MaxPool2D" => {
                let (size, strides) = self.pool()?;
                one(Operation::MaxPooling { size, strides, padding: self.padding()? })
            }
            "AveragePooling2D" | "AvgPool2D" => {
                let (size, strides) = self.pool()?;
                one(Operation::AveragePooling { size, strides, padding: self.padding()? })
            }
            "GlobalAveragePooling2D" | "GlobalAvgPool2D" => {
                if self.flag("keepdims", false)? {
                    return Err("keepdims".to_owned());
                }
                one(Operation::GlobalAverage)
            }
            "Concatenate" => one(Operation::Concatenate { axis: self.axis()? }),
            "Flatten" => one(Operation::Flatten),
            "Dropout" | "SpatialDropout2D" | "AlphaDropout" | "GaussianDropout" => {
                one(Operation::Dropout(self.number("rate", 0.0)?))
            }
            "Rescaling" => one(Operation::Rescaling { scale: self.numbers("scale")?, offset: self.numbers("offset")? }),
            "Normalization" => {
                if self.flag("invert", false)? {
                    return Err("invert".to_owned());
                }
                one(Operation::Normalization { mean: self.numbers("mean")?, variance: self.numbers("variance")? })
            }
            "InputLayer" => one(Operation::Input(self.input()?)),
            // They change images or activations in training, and nothing afterwards.
            "ActivityRegularization"
            | "GaussianNoise"
            | "RandomFlip"
            | "RandomRotation"
            | "RandomZoom"
            | "RandomTranslation"
            | "RandomContrast"
            | "RandomBrightness" => Ok(Vec::new()),
            _ => Ok(vec![Operation::Other(format!("a {}", self.class))]),
        }
    }

    fn with_activation(&self, operation: Operation) -> Result<Vec<Operation>, String> {
        let mut all = vec![operation];
        all.extend(self.activation()?);
        Ok(all)
    }

    fn activation(&self) -> Result<Vec<Operation>, String> {
        let value = self.config.get("activation").unwrap_or(&Value::Null);
        // Keras 3 also writes an activation as an object, with its name as the class or as the config.
        let name = match value {
            Value::Object(object) => match object.get("config") {
                Some(Value::String(name)) => name.as_str(),
                _ => object.get("class_name").and_then(Value::as_str).unwrap_or_default(),
            },
            other => other.as_str().unwrap_or("linear"),
        };
        Ok(match name {
            "linear" => Vec::new(),
            "relu" => vec![Operation::Relu],
            "softmax" => vec![Operation::Softmax],
            "sigmoid" => vec![Operation::Sigmoid],
            other => return Err(format!("the activation {other}")),
        })
    }

    fn is_channels_last(&self) -> Result<(), String> {
        match self.config.get("data_format").and_then(Value::as_str) {
            None | Some("channels_last") => Ok(()),
            Some(other) => Err(format!("the data format {other}")),
        }
    }

    fn whole(&self, key: &str) -> Result<u64, String> {
        let number = self.config.get(key).and_then(Value::as_u64).ok_or_else(|| format!("no {key}"))?;
        if number <= WIDEST { Ok(number) } else { Err(format!("{key} {number}")) }
    }

    fn number(&self, key: &str, usual: f64) -> Result<f64, String> {
        self.config.get(key).map_or(Ok(usual), |value| value.as_f64().ok_or_else(|| format!("{key} {value}")))
    }

    /// A number, a list of numbers however deep, or nothing.
    fn numbers(&self, key: &str) -> Result<Vec<f64>, String> {
        fn collect(value: &Value, into: &mut Vec<f64>) -> bool {
            match value {
                Value::Null => true,
                Value::Array(values) => values.iter().all(|value| collect(value, into)),
                other => other.as_f64().map(|number| into.push(number)).is_some(),
            }
        }
        let mut all = Vec::new();
        let value = self.config.get(key).unwrap_or(&Value::Null);
        if collect(value, &mut all) { Ok(all) } else { Err(format!("{key} {value}")) }
    }

    fn flag(&self, key: &str, usual: bool) -> Result<bool, String> {
        self.config.get(key).map_or(Ok(usual), |value| value.as_bool().ok_or_else(|| format!("{key} {value}")))
    }

    /// A pair, written as one number or two.
    fn pair(&self, key: &str) -> Result<[u64; 2], String> {
        let value = self.config.get(key).unwrap_or(&Value::Null);
        pair(value).ok_or_else(|| format!("{key} {value}"))
    }

    fn equals(&self, key: &str, wanted: u64) -> Result<(), String> {
        match self.config.get(key) {
            None => Ok(()),
            Some(value) if pair(value) == Some([wanted; 2]) => Ok(()),
            Some(value) => Err(format!("{key} {value}")),
        }
    }

    fn padding(&self) -> Result<Padding, String> {
        match self.config.get("padding").and_then(Value::as_str) {
            None | Some("valid") => Ok(Padding::Valid),
            Some("same") => Ok(Padding::Same),
            Some(other) => Err(format!("padding {other}")),
        }
    }

    /// The size of a pool and its strides, which are the size where none are given.
    fn pool(&self) -> Result<([u64; 2], [u64; 2]), String> {
        let size = self.pair("pool_size")?;
        let strides = if self.config.get("strides").is_none_or(Value::is_null) { size } else { self.pair("strides")? };
        Ok((size, strides))
    }

    /// The axis, which older files write as a list of one.
    fn axis(&self) -> Result<i64, String> {
        let value = self.config.get("axis").unwrap_or(&Value::Null);
        let of_list = |values: &Vec<Value>| if let [axis] = &values[..] { axis.as_i64() } else { None };
        match value {
            Value::Null => Ok(-1),
            Value::Array(values) => of_list(values).ok_or_else(|| format!("axis {value}")),
            other => other.as_i64().ok_or_else(|| format!("axis {value}")),
        }
    }

    /// Padding as one number, two, or two pairs.
    fn sides(&self, key: &str) -> Result<[[u64; 2]; 2], String> {
        let value = self.config.get(key).unwrap_or(&Value::Null);
        let read = match value {
            Value::Array(values) => match &values[..] {
                [height @ Value::Array(_), width] => pair(height).zip(pair(width)).map(|(h, w)| [h, w]),
                _ => pair(value).map(|[height, width]| [[height; 2], [width; 2]]),
            },
            one => pair(one).map(|side| [side; 2]),
        };
        read.ok_or_else(|| format!("{key} {value}"))
    }

    fn input(&self) -> Result<[Option<u64>; 3], String> {
        input_shape(self.config).ok_or_else(|| "another shape than rows, columns and channels".to_owned())
    }
}

/// The rows, columns and channels of a layer that says what it takes.
pub(super) fn input_shape(config: &Value) -> Option<[Option<u64>; 3]> {
    let shape = config.get("batch_shape").or_else(|| config.get("batch_input_shape"))?.as_array()?;
    match &shape[..] {
        [_, height, width, channels] => Some([height.as_u64(), width.as_u64(), channels.as_u64()]),
        _ => None,
    }
}

fn pair(value: &Value) -> Option<[u64; 2]> {
    match value {
        Value::Array(values) => match &values[..] {
            [first, second] => Some([first.as_u64()?, second.as_u64()?]),
            _ => None,
        },
        one => one.as_u64().map(|both| [both; 2]),
    }
}
