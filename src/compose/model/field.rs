//! How a part of the model is declared: its fields once, with their names in the specification.

/// What the model knows at a path, for tables and tests that walk it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShapeKind {
    /// A scalar.
    Leaf,
    /// A list; its items are at `*`.
    List,
    /// A mapping with names of the user's own; its values are at `*`.
    Map,
    /// A part with fields of its own.
    Part,
}

/// Lists every path below a type, as dotted patterns with `*` for names and items.
pub trait Shape {
    /// Calls `visit` for this path and each below it.
    fn shape(path: &str, visit: &mut dyn FnMut(&str, ShapeKind));
}

macro_rules! leaf_shapes {
    ($($kind:ty),*) => {$(
        impl Shape for $kind {
            fn shape(path: &str, visit: &mut dyn FnMut(&str, ShapeKind)) {
                visit(path, ShapeKind::Leaf);
            }
        }
    )*};
}

leaf_shapes!(bool, i64, f64, crate::value::Text, crate::value::Name, std::time::Duration, crate::value::Node);

impl<T: Shape> Shape for Option<T> {
    fn shape(path: &str, visit: &mut dyn FnMut(&str, ShapeKind)) {
        T::shape(path, visit);
    }
}

impl<T: Shape> Shape for crate::value::Located<T> {
    fn shape(path: &str, visit: &mut dyn FnMut(&str, ShapeKind)) {
        T::shape(path, visit);
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn shape(path: &str, visit: &mut dyn FnMut(&str, ShapeKind)) {
        visit(path, ShapeKind::List);
        T::shape(&format!("{path}.*"), visit);
    }
}

impl<T: Shape> Shape for indexmap::IndexMap<crate::value::Name, T> {
    fn shape(path: &str, visit: &mut dyn FnMut(&str, ShapeKind)) {
        visit(path, ShapeKind::Map);
        T::shape(&format!("{path}.*"), visit);
    }
}

/// Declares a part of the model. `field: Type = "name in the specification"` where the two differ.
macro_rules! part {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    ($(#[$meta:meta])* $part:ident { $($(#[$field_meta:meta])* $field:ident : $kind:ty $(= $name:literal)?),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $part {
            $($(#[$field_meta])* pub $field: $crate::compose::model::Field<$kind>,)*
            /// `x-*` entries.
            pub extensions: indexmap::IndexMap<$crate::value::Name, $crate::value::Node>,
        }

        impl $crate::compose::bind::Bind for $part {
            fn bind(tree: &$crate::yaml::Tree, origins: &$crate::value::Origins) -> Result<Self, $crate::diagnostic::Finding> {
                Ok(Self {
                    $($field: $crate::compose::bind::field(
                        tree, $crate::compose::model::field::part!(@name $field $($name)?), origins)?,)*
                    extensions: $crate::compose::bind::extensions(tree, origins),
                })
            }
        }

        impl $crate::compose::model::Shape for $part {
            fn shape(path: &str, visit: &mut dyn FnMut(&str, $crate::compose::model::ShapeKind)) {
                visit(path, $crate::compose::model::ShapeKind::Part);
                $(<$kind as $crate::compose::model::Shape>::shape(
                    &format!("{path}.{}", $crate::compose::model::field::part!(@name $field $($name)?)), visit);)*
            }
        }
    };
}
pub(crate) use part;
