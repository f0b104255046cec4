use syn::{FnArg, GenericArgument, Item, PathArguments, Type, UseTree, Visibility};

use super::{
    super::ir::{Class, Expr, Field, Function, Import, Kind, Param, Pattern, Reach, Stmt},
    Lower,
};

impl Lower<'_> {
    pub(super) fn items(&self, items: &[Item]) -> Vec<Stmt> {
        let mut body = Vec::new();
        self.items_into(items.iter(), &mut body);
        body
    }

    /// Items see each other in any order: modules and constants come into being first.
    pub(super) fn items_into<'a>(&self, items: impl Iterator<Item = &'a Item> + Clone, out: &mut Vec<Stmt>) {
        let mut classes: Vec<Class> = Vec::new();
        for item in items.clone() {
            self.class_of(item, &mut classes);
        }
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Fn(function) => {
                    rest.push(Stmt::Function(self.function(&function.sig, &function.block, &function.vis)));
                }
                Item::Const(constant) => first.push(self.constant(&constant.ident, &constant.expr)),
                Item::Static(constant) => first.push(self.constant(&constant.ident, &constant.expr)),
                Item::Use(import) => self.import(&import.tree, &mut Vec::new(), out),
                Item::Mod(module) if !is_test(&module.attrs) => self.module(module, &mut first),
                Item::Macro(inner) => rest.push(Stmt::Expr(self.at(&inner.mac, self.macro_call(&inner.mac)))),
                _ => {}
            }
        }
        out.extend(classes.into_iter().map(Stmt::Class));
        out.extend(first);
        out.extend(rest);
    }

    fn constant(&self, name: &syn::Ident, value: &syn::Expr) -> Stmt {
        Stmt::Bind(Pattern::Name(name.to_string(), self.span(name)), Some(self.expression(value)), Reach::Block)
    }

    fn module(&self, module: &syn::ItemMod, out: &mut Vec<Stmt>) {
        let span = self.span(&module.ident);
        let local = module.ident.to_string();
        let Some((_, items)) = &module.content else {
            out.push(Stmt::Import(Import { from: format!("mod:{local}"), name: None, local, span }));
            return;
        };
        let mut body = Vec::new();
        self.items_into(items.iter(), &mut body);
        let named = items.iter().filter_map(item_name).collect::<std::collections::BTreeSet<_>>();
        let field = |name: String| Field::Named(name.clone(), Expr::new(span, Kind::Name(name)));
        let record = Expr::new(span, Kind::Record(named.into_iter().map(field).collect()));
        let value = Expr::new(span, Kind::Block(body, Some(Box::new(record))));
        out.push(Stmt::Bind(Pattern::Name(local, span), Some(value), Reach::Block));
    }

    pub(super) fn function(&self, signature: &syn::Signature, block: &syn::Block, visibility: &Visibility) -> Function {
        let mut receiver = None;
        let mut params = Vec::new();
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(_) => receiver = Some(String::from("self")),
                FnArg::Typed(typed) => params.push(Param {
                    pattern: self.pattern(&typed.pat),
                    of_type: param_type(&typed.ty),
                    rest: false,
                }),
            }
        }
        Function {
            name: Some(signature.ident.to_string()),
            params,
            body: self.body(block),
            exported: matches!(visibility, Visibility::Public(_)),
            receiver,
            arrow: false,
            bodiless: false,
        }
    }

    /// Types and the `impl` blocks of them make classes.
    fn class_of(&self, item: &Item, classes: &mut Vec<Class>) {
        match item {
            Item::Struct(one) => named(classes, &one.ident.to_string(), |class| {
                let names = one.fields.iter().filter_map(|field| field.ident.as_ref());
                class.fields.extend(names.map(|name| (name.to_string(), None)));
            }),
            Item::Enum(one) => named(classes, &one.ident.to_string(), |_| {}),
            Item::Impl(block) => {
                let Some(name) = type_name(&block.self_ty) else { return };
                named(classes, &name, |class| {
                    block.items.iter().for_each(|item| self.impl_item(item, class, block.trait_.is_some()));
                });
            }
            Item::Trait(one) => named(classes, &one.ident.to_string(), |class| {
                for item in &one.items {
                    if let syn::TraitItem::Fn(method) = item
                        && let Some(block) = &method.default
                    {
                        class.methods.push(self.function(&method.sig, block, &Visibility::Inherited));
                    }
                }
            }),
            _ => {}
        }
    }

    fn impl_item(&self, item: &syn::ImplItem, class: &mut Class, of_trait: bool) {
        match item {
            syn::ImplItem::Fn(method) => {
                let mut function = self.function(&method.sig, &method.block, &method.vis);
                function.exported |= of_trait;
                class.methods.push(function);
            }
            syn::ImplItem::Const(constant) => {
                class.statics.push((constant.ident.to_string(), Some(self.expression(&constant.expr))));
            }
            _ => {}
        }
    }

    fn import(&self, tree: &UseTree, path: &mut Vec<String>, out: &mut Vec<Stmt>) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.import(&step.tree, path, out);
                path.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|item| self.import(item, path, out)),
            UseTree::Name(name) if name.ident == "self" => {
                let local = path.last().cloned().unwrap_or_default();
                path.pop();
                out.push(self.use_of(path, local.clone(), local.clone(), name));
                path.push(local);
            }
            UseTree::Name(name) => out.push(self.use_of(path, name.ident.to_string(), name.ident.to_string(), name)),
            UseTree::Rename(name) => out.push(self.use_of(path, name.ident.to_string(), name.rename.to_string(), name)),
            UseTree::Glob(glob) => {
                out.push(Stmt::ReExport { from: path.join("::"), names: None, span: self.span(glob) });
            }
        }
    }

    fn use_of(&self, path: &[String], name: String, local: String, at: &impl syn::spanned::Spanned) -> Stmt {
        let span = self.span(at);
        if path.is_empty() {
            return Stmt::Import(Import { from: name, name: None, local, span });
        }
        let is_own = matches!(path.first().map(String::as_str), Some("crate" | "super" | "self"));
        match is_own {
            true => Stmt::Import(Import { from: format!("{}::{name}", path.join("::")), name: None, local, span }),
            false => Stmt::Import(Import { from: path.join("."), name: Some(name), local, span }),
        }
    }
}

/// Adds to the class of this name, which may exist already.
fn named(classes: &mut Vec<Class>, name: &str, add: impl FnOnce(&mut Class)) {
    match classes.iter_mut().find(|class| class.name == name) {
        Some(class) => add(class),
        None => {
            let mut class = Class { name: name.to_owned(), ..Class::default() };
            add(&mut class);
            classes.push(class);
        }
    }
}

fn item_name(item: &Item) -> Option<String> {
    match item {
        Item::Fn(item) => Some(item.sig.ident.to_string()),
        Item::Const(item) => Some(item.ident.to_string()),
        Item::Static(item) => Some(item.ident.to_string()),
        Item::Struct(item) => Some(item.ident.to_string()),
        Item::Enum(item) => Some(item.ident.to_string()),
        Item::Mod(item) if item.content.is_some() => Some(item.ident.to_string()),
        _ => None,
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    };
    attributes.iter().any(is_test)
}

/// The last name of a type, without references and the wrappers that hand it on.
pub(super) fn type_name(of: &Type) -> Option<String> {
    const WRAPPERS: &[&str] =
        &["Arc", "Rc", "Box", "Option", "State", "Data", "Extension", "Mutex", "RwLock", "Ref", "RefMut"];
    match of {
        Type::Reference(inner) => type_name(&inner.elem),
        Type::Paren(inner) => type_name(&inner.elem),
        Type::Group(inner) => type_name(&inner.elem),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let name = last.ident.to_string();
            if let PathArguments::AngleBracketed(arguments) = &last.arguments
                && WRAPPERS.contains(&name.as_str())
                && let Some(GenericArgument::Type(inner)) = arguments.args.first()
            {
                return type_name(inner);
            }
            Some(name)
        }
        _ => None,
    }
}

/// As [`type_name`]; a text that lives as long as the program is one of its own constants.
fn param_type(of: &Type) -> Option<String> {
    if let Type::Reference(inner) = of
        && inner.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
        && type_name(&inner.elem).as_deref() == Some("str")
    {
        return Some(String::from("&'static str"));
    }
    type_name(of)
}
