//! Level 2: a published version's function is loaded once, and its environments go on from an image of what the memory held then.
//!
//! The image is made behind the publication by whoever asks for it ([`Pool::make_image`]), in an environment of its own that serves nobody. Until it is
//! there, and where it cannot be, environments load the function themselves.

use super::level1::Level1;
use super::{NoImage, RuntimeEnvironment};
use crate::sandbox::environment::TimeLimits;
use crate::sandbox::host::Code;
use crate::sandbox::memory_images::file::Image;
use crate::sandbox::memory_images::store::{Found, ImageKey, ImageStore};
use crate::sandbox::pool::{InitStart, Pool, SNAP_START, Spec};
use crate::sandbox::{Failure, StartError};
use crate::telemetry::capture::CapturedLine;
use crate::turns::Turns;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How far the image of a version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is to be made.
    Pending,
    /// Environments go on from it.
    Ready,
    /// It cannot be had; why.
    Refused(Arc<str>),
    /// The function failed when it was loaded for it.
    Failed(Failure),
}

/// The image of a version.
#[derive(Debug)]
pub struct Snapshot {
    requested: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    progress: Progress,
    /// Once it is known what it depends on.
    key: Option<ImageKey>,
}

/// What was done for an image.
#[derive(Debug)]
pub struct Made {
    /// What the function wrote when it was loaded.
    pub log: Vec<CapturedLine>,
    /// Where that belongs.
    pub log_stream: Arc<str>,
    /// When loading began, and what its log begins with.
    pub init_start: Option<(i64, InitStart)>,
    /// How long it took.
    pub duration: Duration,
    /// How far the image is now.
    pub progress: Progress,
}

impl Snapshot {
    /// An image that is to be made.
    ///
    /// - `requested`: whether the function asks for it (`SnapStart`), so that environments tell of restorations.
    pub fn new(requested: bool) -> Arc<Self> {
        Arc::new(Self { requested, state: Mutex::new(State { progress: Progress::Pending, key: None }) })
    }

    /// Whether the function asks for it.
    pub fn is_requested(&self) -> bool {
        self.requested
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.state.lock().progress.clone()
    }

    /// Whether it is to be made.
    pub fn is_pending(&self) -> bool {
        self.state.lock().progress == Progress::Pending
    }

    /// What names it, once that is known.
    pub fn key(&self) -> Option<ImageKey> {
        self.state.lock().key.clone()
    }

    fn set(&self, progress: Progress) {
        self.state.lock().progress = progress;
    }

    /// The image, where it is ready.
    pub(in crate::sandbox) async fn image(
        &self,
        images: &Arc<ImageStore>,
        loads: &Turns,
        level_1: &Arc<Level1>,
    ) -> Option<Image> {
        let key = {
            let state = self.state.lock();
            state.key.clone().filter(|_| state.progress == Progress::Ready)?
        };
        if let Some(image) = images.get_open(&key) {
            return Some(image);
        }
        let _turn = loads.turn().await;
        match find(images, &key, level_1).await {
            Ok(Found::Image(image)) => Some(image),
            Ok(_) => {
                self.set(Progress::Pending);
                None
            }
            Err(error) => {
                tracing::warn!(image = %key, %error, "an image cannot be read");
                None
            }
        }
    }
}

async fn find(images: &Arc<ImageStore>, key: &ImageKey, level_1: &Arc<Level1>) -> std::io::Result<Found> {
    let (images, key, level_1) = (Arc::clone(images), key.clone(), Arc::clone(level_1));
    let found = tokio::task::spawn_blocking(move || images.get(&key, level_1.base())).await;
    found.map_err(std::io::Error::other)?
}

/// Names the image of a function by all that is in it.
fn key(spec: &Spec, level_1: &Level1) -> Result<ImageKey, StartError> {
    let Some(runtime) = &spec.runtime else { return Err(StartError::Host("no runtime makes this image".into())) };
    let load = spec.load(runtime, "", SNAP_START).to_json().map_err(|error| StartError::Host(error.to_string()))?;
    let directories = |set: &crate::sandbox::layers::LayerSet| set.directories().collect::<Vec<_>>().join("/");
    let package = directories(&runtime.package);
    let layers = spec.layers.as_ref().map(directories).unwrap_or_default();
    Ok(ImageKey::of([&level_1.base().id[..], &load, package.as_bytes(), layers.as_bytes()]))
}

/// An image that was made, before it is kept.
struct Loaded {
    memory: Vec<u8>,
    monotonic_ns: u64,
}

impl Pool {
    /// Makes the image of this pool's version, or finds it made. `None` where there was nothing to do. An error is the platform's: try
    /// again later.
    ///
    /// - `limit`: what loading the function may take.
    pub async fn make_image(&self, limit: Duration) -> Result<Option<Made>, StartError> {
        let Some(snapshot) = self.spec().snapshot.as_ref().filter(|snapshot| snapshot.is_pending()) else {
            return Ok(None);
        };
        let host = |error: &dyn std::fmt::Display| StartError::Host(error.to_string());
        let code = self.host().code(self.spec()).await.map_err(|error| host(&error))?;
        let Code::Interpreted { level_1, .. } = &code else { return Ok(None) };
        let level_1 = Arc::clone(level_1);
        let key = key(self.spec(), &level_1)?;
        snapshot.state.lock().key = Some(key.clone());
        let images = self.host().images();
        match find(images, &key, &level_1).await.map_err(|error| host(&error))? {
            Found::Image(_) => snapshot.set(Progress::Ready),
            Found::Refused(reason) => snapshot.set(Progress::Refused(reason)),
            Found::Nothing => {
                let (mut made, loaded) = self.load_for_image(code, limit).await?;
                let images = Arc::clone(images);
                let progress = made.progress.clone();
                let kept = tokio::task::spawn_blocking(move || match (loaded, progress) {
                    (Some(Loaded { memory, monotonic_ns }), _) => {
                        let written = images.put(&key, level_1.base(), &memory, monotonic_ns)?;
                        // Opened and checked ahead of the first environment that needs it.
                        images.get(&key, level_1.base()).map(|_| Some(written))
                    }
                    (None, Progress::Refused(reason)) => images.refuse(&key, &reason).map(|()| None),
                    (None, _) => Ok(None),
                });
                let written = kept.await.map_err(|error| host(&error))?.map_err(|error| host(&error))?;
                if let Some(written) = written {
                    tracing::debug!(?written, "an image was made");
                    made.progress = Progress::Ready;
                }
                snapshot.set(made.progress.clone());
                return Ok(Some(made));
            }
        }
        Ok(None)
    }

    /// Loads the function and readies it; its memory where an image can be made of it.
    async fn load_for_image(&self, code: Code<'_>, limit: Duration) -> Result<(Made, Option<Loaded>), StartError> {
        let (spec, shared) = (self.spec(), self.host().shared());
        let Code::Interpreted { level_1, runtime, task } = code else {
            return Err(StartError::Host("no runtime makes this image".into()));
        };
        let _slot = self.host().slot(spec.code.family).ok_or(StartError::Full)?;
        let (started, log_stream) = (Instant::now(), self.log_stream());
        let init_start = spec.init_start.clone().map(|start| (shared.clock.now_ms(), start));
        let opt = self.layers().await?;
        let time = TimeLimits { wall: limit, cpu: None };
        let (mut log, mut loaded) = (Vec::new(), None);
        let progress = match level_1.obstacle() {
            Some(obstacle) => Progress::Refused(obstacle.into()),
            None => {
                let (load, parts) = (spec.load(runtime, &log_stream, SNAP_START), spec.parts(opt, task));
                match RuntimeEnvironment::instantiate(Arc::clone(&level_1), None, &load, parts, shared).await {
                    Ok(mut environment) => {
                        let progress = match environment.load(time).await {
                            Ok(()) => match environment.snapshot(time).await {
                                Ok((memory, monotonic_ns)) => {
                                    loaded = Some(Loaded { memory: memory.to_vec(), monotonic_ns });
                                    Progress::Pending
                                }
                                Err(NoImage::Obstacle(reason)) => Progress::Refused(reason.into()),
                                Err(NoImage::Failed(failure)) => Progress::Failed(failure),
                            },
                            Err(failure) => Progress::Failed(failure),
                        };
                        log = environment.io().take_log();
                        progress
                    }
                    Err(StartError::Guest(failure)) => Progress::Failed(failure),
                    Err(error) => return Err(error),
                }
            }
        };
        Ok((Made { log, log_stream, init_start, duration: started.elapsed(), progress }, loaded))
    }
}
