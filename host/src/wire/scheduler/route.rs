//! Paths and methods of the API.

use http::Method;
use percent_encoding::percent_decode_str;

/// An operation with what its path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    CreateSchedule(String),
    GetSchedule(String),
    UpdateSchedule(String),
    DeleteSchedule(String),
    ListSchedules,
    CreateScheduleGroup(String),
    GetScheduleGroup(String),
    DeleteScheduleGroup(String),
    ListScheduleGroups,
    ListTagsForResource(String),
    TagResource(String),
    UntagResource(String),
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let (service, rest) = path.split_once('/').unwrap_or((path, ""));
        let named = percent_decode_str(rest).decode_utf8_lossy().into_owned();
        match (service, method.as_str(), rest.is_empty()) {
            ("schedules", "GET", true) => Some(Self::ListSchedules),
            ("schedules", "POST", false) => Some(Self::CreateSchedule(named)),
            ("schedules", "GET", false) => Some(Self::GetSchedule(named)),
            ("schedules", "PUT", false) => Some(Self::UpdateSchedule(named)),
            ("schedules", "DELETE", false) => Some(Self::DeleteSchedule(named)),
            ("schedule-groups", "GET", true) => Some(Self::ListScheduleGroups),
            ("schedule-groups", "POST", false) => Some(Self::CreateScheduleGroup(named)),
            ("schedule-groups", "GET", false) => Some(Self::GetScheduleGroup(named)),
            ("schedule-groups", "DELETE", false) => Some(Self::DeleteScheduleGroup(named)),
            // Other services have tags at this path too.
            ("tags", _, false) if named.split(':').nth(2) != Some("scheduler") => None,
            ("tags", "GET", false) => Some(Self::ListTagsForResource(named)),
            ("tags", "POST", false) => Some(Self::TagResource(named)),
            ("tags", "DELETE", false) => Some(Self::UntagResource(named)),
            _ => None,
        }
    }

    /// Whether a repetition with the same `ClientToken` is answered as the first call was.
    pub(super) fn has_token(&self) -> bool {
        matches!(
            self,
            Self::CreateSchedule(_)
                | Self::DeleteSchedule(_)
                | Self::CreateScheduleGroup(_)
                | Self::DeleteScheduleGroup(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_operations() {
        let of = |method: Method, path: &str| Route::of(&method, path);
        assert_eq!(of(Method::GET, "/schedules"), Some(Route::ListSchedules));
        assert_eq!(of(Method::GET, "/schedules/"), Some(Route::ListSchedules));
        assert_eq!(of(Method::POST, "/schedules/a%2Eb"), Some(Route::CreateSchedule("a.b".into())));
        assert_eq!(of(Method::GET, "/schedule-groups/g"), Some(Route::GetScheduleGroup("g".into())));
        let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g";
        for path in [format!("/tags/{arn}"), format!("/tags/{}", arn.replace(':', "%3A").replace('/', "%2F"))] {
            assert_eq!(of(Method::GET, &path), Some(Route::ListTagsForResource(arn.into())));
        }
        for path in
            ["/", "", "/2015-03-31/functions", "/tags/arn:aws:lambda:r:a:f", "/tags/x", "/schedule", "schedules"]
        {
            assert_eq!(of(Method::GET, path), None, "{path}");
        }
        assert_eq!(of(Method::POST, "/schedules"), None);
    }
}
