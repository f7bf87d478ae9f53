//! What becomes of the columns of a file.

use std::collections::{BTreeMap, BTreeSet};

use super::config::TableConfig;
use super::error::TableError;

pub(super) enum Role {
    Number,
    Integer,
    /// One column of text.
    Category,
    /// Several columns, of which one is 1, by their places in the file.
    OneHot(Vec<usize>),
}

/// A column of the table: its name, its place in the file (the first of several), and its role.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) place: usize,
    pub(super) role: Role,
}

impl Plan {
    /// The columns of the table, in the order of the file.
    pub(super) fn all(
        config: &TableConfig,
        table: &str,
        headers: &[String],
    ) -> Result<Vec<Self>, TableError> {
        let mut roles = roles(config, table, headers)?;
        let of_place = |(place, name): (usize, &String)| {
            let role = roles.remove(&place).unwrap_or_else(|| Some((name.clone(), Role::Number)));
            role.map(|(name, role)| Self { name, place, role })
        };
        let plans: Vec<Self> = headers.iter().enumerate().filter_map(of_place).collect();
        let mut names = BTreeSet::new();
        if let Some(plan) = plans.iter().find(|plan| !names.insert(plan.name.as_str())) {
            let (table, column) = (table.into(), plan.name.clone());
            return Err(TableError::DuplicateColumn { table, column });
        }
        match plans.is_empty() {
            true => Err(TableError::NoColumns { table: table.into() }),
            false => Ok(plans),
        }
    }

    /// The same columns in the order of another table.
    pub(super) fn ordered(
        plans: Vec<Self>,
        table: &str,
        order: &[&str],
    ) -> Result<Vec<Self>, TableError> {
        let mut plans: BTreeMap<String, Self> =
            plans.into_iter().map(|plan| (plan.name.clone(), plan)).collect();
        let mut ordered = Vec::with_capacity(order.len());
        for name in order {
            let Some(plan) = plans.remove(*name) else {
                let mut found: Vec<String> =
                    ordered.into_iter().map(|plan: Self| plan.name).collect();
                found.extend(plans.into_keys());
                let (table, column) = (table.into(), (*name).into());
                return Err(TableError::NoSuchColumn { table, column, found });
            };
            ordered.push(plan);
        }
        match plans.is_empty() {
            true => Ok(ordered),
            false => {
                let columns = plans.into_keys().collect();
                Err(TableError::UnknownColumns { table: table.into(), columns })
            }
        }
    }
}

/// What is said of the columns that the configuration names, by their place. None: the label, columns that are left out,
/// and all but the first of a group.
fn roles(
    config: &TableConfig,
    table: &str,
    headers: &[String],
) -> Result<BTreeMap<usize, Option<(String, Role)>>, TableError> {
    let mut seen = BTreeSet::new();
    let named = |name: &&String| !has_no_name(name);
    if let Some(column) = headers.iter().filter(named).find(|name| !seen.insert(name.as_str())) {
        return Err(TableError::DuplicateColumn { table: table.into(), column: column.clone() });
    }
    let mut roles = BTreeMap::new();
    let mut assign = |name: &str, role: Option<(String, Role)>| match roles
        .insert(place(table, headers, name)?, role)
    {
        None => Ok(()),
        Some(_) => Err(TableError::Overlap { column: name.into() }),
    };
    assign(&config.label, None)?;
    for name in config.ignored.iter().filter(|name| !name.is_empty()) {
        assign(name, None)?;
    }
    for name in &config.integers {
        assign(name, Some((name.clone(), Role::Integer)))?;
    }
    for name in &config.categories {
        assign(name, Some((name.clone(), Role::Category)))?;
    }
    for (group, columns) in &config.one_hot {
        let places = columns.iter().map(|name| place(table, headers, name));
        let mut role = Some((group.clone(), Role::OneHot(places.collect::<Result<_, _>>()?)));
        for name in columns {
            assign(name, role.take())?;
        }
    }
    let ignored = config.ignored.iter().any(String::is_empty);
    for (at, name) in headers.iter().enumerate().filter(|(_, name)| has_no_name(name)) {
        if roles.contains_key(&at) {
            continue;
        }
        if ignored {
            roles.insert(at, None);
        } else {
            let (number, columns, header) = (at + 1, headers.len(), name.clone());
            return Err(TableError::NoName { table: table.into(), number, columns, header });
        }
    }
    Ok(roles)
}

/// The index of a pandas table has no name, and is called so when it is read and written again.
fn has_no_name(header: &str) -> bool {
    header.is_empty() || header.starts_with("Unnamed: ")
}

pub(super) fn place(table: &str, headers: &[String], column: &str) -> Result<usize, TableError> {
    headers.iter().position(|name| name == column).ok_or_else(|| TableError::NoSuchColumn {
        table: table.into(),
        column: column.into(),
        found: headers.to_vec(),
    })
}
