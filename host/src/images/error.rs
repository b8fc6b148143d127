//! Why an image was not pulled.

/// Why an image was not pulled, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageError {
    /// The reference, as it was given.
    pub uri: String,
    /// What was wrong.
    pub fault: Fault,
}

/// What can be wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The reference or what it leads to. The caller's fault; do not retry.
    Invalid(String),
    /// There is no such image. The caller's fault.
    NotFound,
    /// The registry wants other credentials, or the file of them cannot be used. The operator's fault.
    AccessDenied,
    /// An image that holds no WebAssembly. The caller's fault; do not retry.
    Unsupported(String),
    /// More bytes than a package may have. The caller's fault; do not retry.
    TooLarge(String),
    /// The registry does not answer, or not in time. A retry may help.
    Unreachable(String),
    /// As many pulls as may be are under way. A retry helps.
    Busy,
}

impl std::error::Error for ImageError {}

impl std::fmt::Display for ImageError {
    // As Lambda words them where it has words; the reasons in brackets are Lamina's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let uri: String = self.uri.chars().take(300).collect();
        match &self.fault {
            Fault::Invalid(reason) => {
                write!(f, "Source image {uri} is not valid. Provide a valid source image. ({reason})")
            }
            Fault::NotFound => write!(f, "Source image {uri} does not exist. Provide a valid source image."),
            Fault::AccessDenied => write!(
                f,
                "Lamina does not have permission to access the source image {uri}. Check the credentials for its registry."
            ),
            Fault::Unsupported(reason) => write!(
                f,
                "The image manifest, config or layer media type for the source image {uri} is not supported. ({reason})"
            ),
            Fault::TooLarge(reason) => write!(f, "Source image {uri} is too large: {reason}"),
            Fault::Unreachable(reason) => {
                write!(f, "Source image {uri} could not be pulled: {reason}. Try again later.")
            }
            Fault::Busy => write!(f, "Source image {uri} was not pulled: too many others are. Try again later."),
        }
    }
}
