//! Which files may be carried in and out, and how large they may be: the limits of the account and of the service.
//!
//! Where both say something, both hold. Hours and networks are judged by `auth`, rates are kept by `vfs`.

use super::Access;
use crate::catalog::Restrictions;
use crate::ids::Name;
use crate::path::VirtualPath;

impl Access {
    /// The limits that hold for this account at `service`: its own, and the service's if there is one.
    pub fn restrictions(&self, service: &Name) -> impl Iterator<Item = &Restrictions> {
        let of_service = self.view.services.get(service).map(|object| &object.spec.restrictions);
        std::iter::once(&*self.account.spec.restrictions).chain(of_service)
    }

    /// The most bytes of one uploaded file.
    pub fn upload_bytes_max(&self, service: &Name) -> Option<u64> {
        let limits = self.restrictions(service);
        limits.filter_map(|limits| limits.upload_bytes_max).min()
    }

    /// Whether a file of the name of `path` may be uploaded, downloaded or renamed to; else why not, as a clause.
    pub fn may_carry(&self, service: &Name, path: &VirtualPath) -> Result<(), String> {
        let Some(name) = path.file_name() else { return Ok(()) };
        for limits in self.restrictions(service) {
            if let Some(pattern) = limits.files_denied.iter().find(|pattern| pattern.matches(name)) {
                return Err(format!(
                    "files whose name matches `{}` are not taken here",
                    pattern.source()
                ));
            }
            let allowed = &limits.files_allowed;
            if !allowed.is_empty() && !allowed.iter().any(|pattern| pattern.matches(name)) {
                return Err("files of this name are not taken here".to_owned());
            }
        }
        Ok(())
    }
}
