//! A snapshotted runtime module, taken apart: code that starts from any memory of its kind, and the memory it came with.
//!
//! What a module writes into its memory when it is instantiated would undo an image that is mapped there. The template is the
//! same module without that; the memory it would have had is the base of all images. Both levels of snapshots run on one template,
//! so that a runtime's native code is there once.
//!
//! What else an instance holds must be in the module, or an image would lack it: tables that nothing writes to, and mutable globals
//! that are back at their first value whenever no call is under way. The first is seen in the code ([`Template::obstacle`]), the second is
//! asked of the instance: the template exports every such global under a name of its own ([`GLOBAL_PREFIX`]).

use std::ops::Range;
use wasm_encoder::{DataSection, ExportKind, ExportSection, Module, RawSection};
use wasmparser::{
    BinaryReaderError, ConstExpr, DataKind, Export, ExternalKind, FunctionBody, GlobalSectionReader, MemoryType,
    Operator, Parser, Payload, TypeRef, ValType,
};

/// What the names of exported globals begin with; the global's index follows.
pub const GLOBAL_PREFIX: &str = "lamina:global:";

/// Size of a page of linear memory.
const WASM_PAGE_BYTES: u64 = 65_536;

/// Pages that 32 bits address.
const MOST_PAGES: u64 = 65_536;

/// Why a module cannot start from an image of its memory. Whoever brought the runtime is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not a module.
    #[error("the module cannot be read: {0}")]
    Syntax(String),
    /// It has to define one memory of 32 bits that is not shared.
    #[error("the module needs a single memory of its own, of 32 bits and not shared")]
    Memory,
    /// It runs code when it is instantiated.
    #[error("the module has a start function")]
    Start,
    /// Data whose place is not known before it is instantiated, or lies outside of its memory.
    #[error("data segment {0} has no place in the module's first memory")]
    Data(u32),
}

impl From<BinaryReaderError> for TemplateError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Syntax(error.to_string())
    }
}

/// A module that starts from an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The module.
    pub wasm: Vec<u8>,
    /// What its memory held, and how large it is at first.
    pub memory: Vec<u8>,
    /// Why instances cannot be continued from an image of their memory, where that is so: only the first one can.
    pub obstacle: Option<String>,
}

impl Template {
    /// Takes `wasm` apart. The same bytes give the same template.
    pub fn of(wasm: &[u8]) -> Result<Self, TemplateError> {
        let facts = Facts::of(wasm)?;
        Ok(Self { wasm: facts.rewrite(wasm)?, memory: facts.memory()?, obstacle: facts.obstacle() })
    }
}

/// A data segment.
struct Segment<'a> {
    /// Where it is written at first; `None` of one that code writes where it likes.
    place: Option<ConstExpr<'a>>,
    bytes: &'a [u8],
}

/// What has to be known of a module before it is written anew.
#[derive(Default)]
struct Facts<'a> {
    memories: Vec<MemoryType>,
    imported_globals: u32,
    mutable_globals: Vec<(u32, ValType)>,
    segments: Vec<Segment<'a>>,
    /// Whether code refers to data segments.
    uses_segments: bool,
    /// An instruction that changes tables.
    table_writer: Option<&'static str>,
}

impl<'a> Facts<'a> {
    fn of(wasm: &'a [u8]) -> Result<Self, TemplateError> {
        let mut facts = Self::default();
        let mut imported_memories = 0_u32;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import?.ty {
                            TypeRef::Memory(_) => imported_memories = imported_memories.saturating_add(1),
                            TypeRef::Global(_) => facts.imported_globals = facts.imported_globals.saturating_add(1),
                            _ => {}
                        }
                    }
                }
                Payload::MemorySection(memories) => facts.memories = memories.into_iter().collect::<Result<_, _>>()?,
                Payload::GlobalSection(globals) => facts.read_globals(globals)?,
                Payload::StartSection { .. } => return Err(TemplateError::Start),
                Payload::CodeSectionEntry(body) => facts.read_code(&body)?,
                Payload::DataSection(data) => {
                    for segment in data {
                        let segment = segment?;
                        let place = match segment.kind {
                            DataKind::Passive => None,
                            DataKind::Active { offset_expr, .. } => Some(offset_expr),
                        };
                        facts.segments.push(Segment { place, bytes: segment.data });
                    }
                }
                _ => {}
            }
        }
        match facts.memories.as_slice() {
            [memory]
                if !memory.memory64 && !memory.shared && memory.page_size_log2.is_none() && imported_memories == 0 =>
            {
                Ok(facts)
            }
            _ => Err(TemplateError::Memory),
        }
    }

    fn read_globals(&mut self, globals: GlobalSectionReader<'a>) -> Result<(), TemplateError> {
        for (index, global) in (self.imported_globals..).zip(globals) {
            let ty = global?.ty;
            if ty.mutable {
                self.mutable_globals.push((index, ty.content_type));
            }
        }
        Ok(())
    }

    fn read_code(&mut self, body: &FunctionBody<'a>) -> Result<(), TemplateError> {
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::MemoryInit { .. }
                | Operator::DataDrop { .. }
                | Operator::ArrayNewData { .. }
                | Operator::ArrayInitData { .. } => {
                    self.uses_segments = true;
                }
                Operator::TableSet { .. } => self.table_writer = Some("table.set"),
                Operator::TableGrow { .. } => self.table_writer = Some("table.grow"),
                Operator::TableFill { .. } => self.table_writer = Some("table.fill"),
                Operator::TableCopy { .. } => self.table_writer = Some("table.copy"),
                Operator::TableInit { .. } => self.table_writer = Some("table.init"),
                Operator::ElemDrop { .. } => self.table_writer = Some("elem.drop"),
                _ => {}
            }
        }
        Ok(())
    }

    fn obstacle(&self) -> Option<String> {
        if let Some(instruction) = self.table_writer {
            return Some(format!("the runtime changes its tables ({instruction})"));
        }
        let reference = self.mutable_globals.iter().find(|(_, ty)| matches!(ty, ValType::Ref(_)))?;
        Some(format!("the runtime's global {} holds references", reference.0))
    }

    /// The module's first memory.
    fn memory(&self) -> Result<Vec<u8>, TemplateError> {
        let pages = self.memories.first().map(|memory| memory.initial).filter(|pages| *pages <= MOST_PAGES);
        let bytes = pages.and_then(|pages| usize::try_from(pages * WASM_PAGE_BYTES).ok());
        let mut memory = vec![0; bytes.ok_or(TemplateError::Memory)?];
        for (index, segment) in (0_u32..).zip(&self.segments) {
            let Some(place) = &segment.place else { continue };
            let start = constant(place)?.ok_or(TemplateError::Data(index))?;
            let range = range(start, segment.bytes.len()).ok_or(TemplateError::Data(index))?;
            memory.get_mut(range).ok_or(TemplateError::Data(index))?.copy_from_slice(segment.bytes);
        }
        Ok(memory)
    }

    fn rewrite(&self, wasm: &[u8]) -> Result<Vec<u8>, TemplateError> {
        let mut module = Module::new();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            match &payload {
                Payload::DataCountSection { .. } if !self.uses_segments => continue,
                Payload::DataSection(_) => {
                    if self.uses_segments {
                        module.section(&self.data());
                    }
                    continue;
                }
                Payload::ExportSection(exports) => {
                    let mut section = ExportSection::new();
                    for export in exports.clone() {
                        let Export { name, kind, index } = export?;
                        section.export(name, export_kind(kind), index);
                    }
                    for (index, _) in &self.mutable_globals {
                        section.export(&format!("{GLOBAL_PREFIX}{index}"), ExportKind::Global, *index);
                    }
                    module.section(&section);
                    continue;
                }
                _ => {}
            }
            if let Some((id, range)) = payload.as_section() {
                let data = wasm
                    .get(range)
                    .ok_or_else(|| TemplateError::Syntax("a section ends outside of the module".into()))?;
                module.section(&RawSection { id, data });
            }
        }
        Ok(module.finish())
    }

    /// Segments that code refers to by number. Those that are written at instantiation are gone after it: nothing but their place is left.
    fn data(&self) -> DataSection {
        let mut section = DataSection::new();
        for segment in &self.segments {
            let kept = if segment.place.is_none() { segment.bytes } else { &[] };
            section.passive(kept.iter().copied());
        }
        section
    }
}

/// The value of an expression that is a mere constant, as an offset in a memory of 32 bits.
fn constant(expression: &ConstExpr<'_>) -> Result<Option<u32>, TemplateError> {
    let mut operators = expression.get_operators_reader();
    let value = match operators.read()? {
        Operator::I32Const { value } => value.cast_unsigned(),
        _ => return Ok(None),
    };
    Ok(matches!(operators.read()?, Operator::End).then_some(value))
}

fn range(start: u32, bytes: usize) -> Option<Range<usize>> {
    let start = usize::try_from(start).ok()?;
    Some(start..start.checked_add(bytes)?)
}

fn export_kind(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Tag => ExportKind::Tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<Template, TemplateError> {
        Template::of(&wat::parse_str(text).unwrap())
    }

    fn text_of(template: &Template) -> Vec<String> {
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(&template.wasm) {
            if let Some((id, range)) = payload.unwrap().as_section() {
                names.push(format!("{id}:{}", range.len()));
            }
        }
        names
    }

    #[test]
    fn data_goes_from_the_module_into_the_memory() {
        let text = r#"(module
            (memory (export "memory") 2 9)
            (global $sp (export "__stack_pointer") (mut i32) (i32.const 512))
            (global i32 (i32.const 1))
            (global (mut i64) (i64.const 7))
            (data (i32.const 3) "abc")
            (data (i32.const 65535) "xy")
            (data "never used")
            (func (export "f") (result i32) (i32.load (i32.const 3))))"#;
        let one = template(text).unwrap();
        assert_eq!(one, template(text).unwrap());
        assert_eq!(one.memory.len(), 2 * 65_536);
        assert_eq!((&one.memory[3..6], &one.memory[65_535..65_537]), (&b"abc"[..], &b"xy"[..]));
        assert_eq!(one.memory.iter().filter(|byte| **byte != 0).count(), 5);
        assert_eq!(one.obstacle, None);
        assert!(
            !text_of(&one).iter().any(|section| section.starts_with("11:") || section.starts_with("12:")),
            "{:?}",
            text_of(&one)
        );
        let exports: Vec<_> = Parser::new(0)
            .parse_all(&one.wasm)
            .filter_map(|payload| match payload.unwrap() {
                Payload::ExportSection(exports) => {
                    Some(exports.into_iter().map(|e| e.unwrap().name.to_owned()).collect::<Vec<_>>())
                }
                _ => None,
            })
            .flatten()
            .collect();
        assert_eq!(exports, ["memory", "__stack_pointer", "f", "lamina:global:0", "lamina:global:2"]);
    }

    #[test]
    fn segments_that_code_refers_to_stay_in_their_places() {
        let template = template(
            r#"(module (memory (export "memory") 1) (data (i32.const 0) "active") (data $p "passive")
                (func (export "f") (memory.init $p (i32.const 9) (i32.const 0) (i32.const 7))))"#,
        )
        .unwrap();
        let mut segments = Vec::new();
        for payload in Parser::new(0).parse_all(&template.wasm) {
            if let Payload::DataSection(data) = payload.unwrap() {
                segments = data.into_iter().map(|s| s.unwrap().data.to_vec()).collect();
            }
        }
        assert_eq!(segments, [b"".to_vec(), b"passive".to_vec()]);
        assert_eq!(&template.memory[..6], b"active");
        wasmparser::validate(&template.wasm).unwrap();
    }

    #[test]
    fn what_an_image_would_lack_is_an_obstacle() {
        let writes = r#"(module (memory 1) (table 1 funcref) (func (table.set (i32.const 0) (ref.null func))) (export "f" (func 0)))"#;
        assert!(template(writes).unwrap().obstacle.unwrap().contains("table.set"));
        let holds = r#"(module (memory 1) (global (mut externref) (ref.null extern)) (func (export "f")))"#;
        assert!(template(holds).unwrap().obstacle.unwrap().contains("references"));
    }

    #[test]
    fn what_cannot_start_from_an_image_is_refused() {
        let refused = |text: &str| template(text).unwrap_err();
        assert_eq!(refused("(module)"), TemplateError::Memory);
        assert_eq!(refused("(module (memory i64 1))"), TemplateError::Memory);
        assert_eq!(refused("(module (memory 1 1 shared))"), TemplateError::Memory);
        assert_eq!(refused("(module (memory 1) (memory 1))"), TemplateError::Memory);
        assert_eq!(refused(r#"(module (import "a" "b" (memory 1)))"#), TemplateError::Memory);
        assert_eq!(refused("(module (memory 1) (func) (start 0))"), TemplateError::Start);
        assert_eq!(refused(r#"(module (memory 1) (data (i32.const 65535) "ab"))"#), TemplateError::Data(0));
        let import =
            r#"(module (import "a" "b" (global i32)) (memory 1) (data (i32.const 0) "") (data (global.get 0) "ab"))"#;
        assert_eq!(refused(import), TemplateError::Data(1));
        assert!(matches!(Template::of(b"no module"), Err(TemplateError::Syntax(_))));
    }
}
